// The type of key and value cache that a quantised file asks for: how it is chosen, kept and used.
#include "session/quantize/cache_choice.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <string>

#include "model/kv_type.hpp"
#include "sterna/convert.hpp"
#include "sterna/error.hpp"
#include "sterna/session.hpp"
#include "support/paths.hpp"
#include "support/small_model.hpp"

namespace sterna {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

std::filesystem::path float_model(const std::filesystem::path& in) {
  const auto folder = in / "float";
  testing::small_model_folder(folder, {.hidden = 64, .ffn = 96});
  return folder;
}

QuantizeOptions int4_options(const std::string& text) {
  QuantizeOptions options;
  options.precision = Precision::Int4;
  options.calibration_text = text;
  options.calibration_tokens = 1024;
  options.sensitivity_tokens = 511;
  options.threads = 2;
  return options;
}

TEST(CacheChoice, IsTheSmallestThatCostsLittle) {
  std::vector<KvReport> rows{{KvType::F32, 0, 0.0100, 0.0200, kUnknown},
                             {KvType::F16, 0, 0.0101, 0.0201, kUnknown},
                             {KvType::I8, 0, 0.0120, 0.0211, kUnknown}};
  EXPECT_EQ(smallest_cache(rows, std::nullopt), KvType::F16);
  rows[2].kl = 0.0209;  // 4.5 % more
  EXPECT_EQ(smallest_cache(rows, std::nullopt), KvType::I8);
  EXPECT_EQ(smallest_cache(rows, 0.0119), KvType::F16);
  EXPECT_EQ(smallest_cache(rows, 0.0120), KvType::I8);
  EXPECT_EQ(smallest_cache(rows, 0.0050), KvType::F32);  // the matrices alone are above it
  rows[1].kl = rows[2].kl = kUnknown;
  EXPECT_EQ(smallest_cache(rows, std::nullopt), KvType::F32);
}

TEST(CacheChoice, IsInTheFileAndIsWhatSessionsUse) {
  const auto folder = testing::scratch();
  const auto in = float_model(folder);
  const auto out = folder / "int4.gguf";
  const std::string text = testing::numbered_words(1500);
  QuantizeOptions options = int4_options(text);
  const QuantizeReport report = quantize(in, out, options);
  ASSERT_EQ(report.kv.size(), kv_types().size());
  for (std::size_t i = 0; i < report.kv.size(); ++i) {
    EXPECT_EQ(report.kv[i].type, kv_types()[i].type);
    EXPECT_TRUE(std::isfinite(report.kv[i].nll));
    EXPECT_GT(report.kv[i].kl, 0);
  }
  EXPECT_NE(report.kv[0].kl, report.kv[2].kl);
  EXPECT_EQ(report.kv[0].bytes_per_token, 2u * 2 * 2 * 16 * 4);  // keys and values, layers, heads, floats
  EXPECT_EQ(report.kv[2].bytes_per_token, 2u * 2 * 2 * (16 + 4));
  EXPECT_EQ(report.kv_type, smallest_cache(report.kv, std::nullopt));
  EXPECT_NE(report.kv_type, KvType::F32);  // 16 bits cost nothing beside four
  const auto model = Model::load(out);
  EXPECT_EQ(model->config().kv, report.kv_type);
  EXPECT_EQ(Session(model).options().kv, report.kv_type);
  EXPECT_EQ(Session(model, {.kv = KvType::F32}).options().kv, KvType::F32);
  EXPECT_LT(Session(model).cache_bytes(), Session(model, {.kv = KvType::F32}).cache_bytes());
  // The trial in memory computes what the file does with its cache, bit for bit.
  const auto taken = std::ranges::find(report.kv, *report.kv_type, &KvReport::type);
  EXPECT_EQ(report.kl, taken->kl);
  EXPECT_FALSE(Model::load(in)->config().kv);
  EXPECT_EQ(Session(Model::load(in)).options().kv, KvType::F32);
}

TEST(CacheChoice, MayBeGivenAndOutlivesConversion) {
  const auto folder = testing::scratch();
  const auto in = float_model(folder);
  const auto out = folder / "int4.gguf";
  for (const KvTypeRow& row : kv_types()) {
    const QuantizeOptions options{.precision = Precision::Int4, .kv = row.type};
    EXPECT_EQ(quantize(in, out, options).kv_type, row.type);  // needs no text
    const auto again = folder / "again.gguf";
    convert(out, again);
    EXPECT_EQ(Model::load(again)->config().kv, row.type);
  }
  EXPECT_EQ(quantize(in, out, {.precision = Precision::Int4}).kv_type, std::nullopt);
  EXPECT_FALSE(Model::load(out)->config().kv);
}

TEST(CacheChoice, OfAnUnknownTypeIsRefused) {
  const auto folder = testing::scratch();
  const auto out = folder / "int4.gguf";
  quantize(float_model(folder), out, {.precision = Precision::Int4, .kv = KvType::I8});
  std::ifstream file(out, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const std::size_t key = bytes.find("sterna.kv_type");
  ASSERT_NE(key, std::string::npos);
  bytes.replace(bytes.find("int8", key), 4, "int9");
  const auto damaged = folder / "damaged.gguf";
  std::ofstream(damaged, std::ios::binary) << bytes;
  try {
    Model::load(damaged);
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Unsupported);
    const std::string what = error.what();
    for (const char* part :
         {"damaged.gguf", "key: sterna.kv_type", "found: int9", "expected: f32, f16 or int8"}) {
      EXPECT_NE(what.find(part), std::string::npos) << what;
    }
  }
}

}  // namespace
}  // namespace sterna
