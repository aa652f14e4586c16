// Checkpoint to GGUF and back: the same trits, scales and logits.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>

#include "model/checkpoint.hpp"
#include "model/weights.hpp"
#include "sterna/convert.hpp"
#include "sterna/error.hpp"
#include "sterna/session.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

std::vector<float> logits_of(const std::filesystem::path& path) {
  const auto model = Model::load(path);
  Session session(model, {.context = 64});
  std::vector<TokenId> ids(40);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<TokenId>((i * 37 + 11) % 1000);
  std::vector<float> logits(ids.size() * model->config().vocab);
  session.evaluate_all(ids, logits);
  return logits;
}

void expect_same_trits(const std::filesystem::path& a, const std::filesystem::path& b) {
  const auto left = open_checkpoint(a);
  const auto right = open_checkpoint(b);
  ASSERT_EQ(left.layers.size(), right.layers.size());
  for (std::size_t n = 0; n < left.layers.size(); ++n) {
    std::vector<const LinearSource*> linears[2];
    for_each_linear(left.layers[n], [&](const LinearSource& linear) { linears[0].push_back(&linear); });
    for_each_linear(right.layers[n], [&](const LinearSource& linear) { linears[1].push_back(&linear); });
    for (std::size_t i = 0; i < linears[0].size(); ++i) {
      const auto x = read_ternary(*linears[0][i], left.unpack);
      const auto y = read_ternary(*linears[1][i], right.unpack);
      EXPECT_EQ(x.trits, y.trits) << linears[0][i]->name;
      EXPECT_EQ(x.scales.values, y.scales.values) << linears[0][i]->name;
    }
  }
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class ConvertTypes : public ::testing::TestWithParam<DType> {};

void expect_exact_round_trip(const std::filesystem::path& in, DType type,
                             const std::filesystem::path& folder) {
  const auto out = folder / "out.gguf";
  const auto again = folder / "again.gguf";
  // bf16 holds the embedding exactly, and the scales are bf16, which f16 may round.
  const auto report = convert(in, out, {.ternary = type, .head = DType::BF16});
  ASSERT_EQ(report.rounded_scales, 0u);
  expect_same_trits(in, out);
  EXPECT_EQ(logits_of(in), logits_of(out));
  // From its own output, and with another number of threads: the same bytes.
  convert(out, again, {.ternary = type, .head = DType::BF16, .threads = 1});
  EXPECT_EQ(bytes_of(out), bytes_of(again));
}

TEST_P(ConvertTypes, TalesRoundTripIsExact) {
  STERNA_REQUIRE_SHARED(in, "models/tales/packed");
  expect_exact_round_trip(in, GetParam(), testing::scratch());
}

TEST_P(ConvertTypes, LlamaRoundTripIsExact) {
  const auto folder = testing::scratch();
  const auto in = testing::fixture("llama3-rope-scaling");
  const auto out = folder / "out.gguf";
  const auto report = convert(in, out, {.ternary = GetParam(), .head = DType::BF16});
  // Its scales are 1 / stored value: float32, which only I2_S holds.
  if (report.rounded_scales == 0) {
    expect_same_trits(in, out);
    EXPECT_EQ(logits_of(in), logits_of(out));
  } else {
    EXPECT_NE(GetParam(), DType::I2_S);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, ConvertTypes, ::testing::Values(DType::I2_S, DType::TQ2_0, DType::TQ1_0),
                         [](const auto& type) { return std::string(name(type.param)); });

TEST(Convert, RefusesTypesItDoesNotWrite) {
  const auto in = testing::fixture("llama3-rope-scaling");
  const auto out = testing::scratch() / "out.gguf";
  EXPECT_THROW(convert(in, out, {.ternary = DType::F16}), Error);
  EXPECT_THROW(convert(in, out, {.head = DType::I2_S}), Error);
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(Convert, HeadTypesKeepTheLogitsClose) {
  const auto in = testing::fixture("llama3-rope-scaling");
  const auto expected = logits_of(in);
  const auto folder = testing::scratch();
  for (const auto& [head, bound] : {std::pair{DType::F16, 0.02}, {DType::Q8_0, 0.04}, {DType::Q6_K, 0.1}}) {
    const auto out = folder / (std::string(name(head)) + ".gguf");
    convert(in, out, {.head = head});
    const auto found = logits_of(out);
    double difference = 0, norm = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      difference += std::pow(static_cast<double>(found[i] - expected[i]), 2);
      norm += std::pow(static_cast<double>(expected[i]), 2);
    }
    EXPECT_LE(std::sqrt(difference / norm), bound) << name(head);
  }
}

TEST(Foreign, TritsEqualThePackedCheckpoint) {
  STERNA_REQUIRE_SHARED(packed, "models/tales/packed");
  STERNA_REQUIRE_SHARED(foreign, "foreign");
  for (const auto* file : {"tales-i2_s-f16.gguf", "tales-tq1_0-f16.gguf", "tales-iq2_bn-q6_k.gguf"}) {
    SCOPED_TRACE(file);
    expect_same_trits(packed, foreign / file);
  }
}

TEST(Master, TritsAndScalesEqualThePackedCheckpoint) {
  STERNA_REQUIRE_SHARED(packed, "models/tales/packed");
  STERNA_REQUIRE_SHARED(master, "models/tales/bf16");
  expect_same_trits(packed, master);
}

class Synth : public ::testing::TestWithParam<DType> {};

TEST_P(Synth, WritesAModelThatRuns) {
  const auto out = testing::scratch() / "tales.gguf";
  synthesize(out, {.shape = "tales", .ternary = GetParam(), .head = DType::Q8_0, .seed = 3});
  const auto model = Model::load(out);
  Session session(model, {.context = 64, .threads = 2});
  const auto ids = model->tokenizer()->encode("A tale");
  GenerateOptions options;
  options.max_tokens = 5;
  options.sampling.temperature = 0;
  options.ignore_end = true;
  EXPECT_EQ(session.generate(ids, options).tokens.size(), 5u);
}

INSTANTIATE_TEST_SUITE_P(Types, Synth, ::testing::Values(DType::I2_S, DType::TQ2_0, DType::TQ1_0),
                         [](const auto& type) { return std::string(name(type.param)); });

TEST(Synthesize, IsTheSameForTheSameSeed) {
  const auto folder = testing::scratch();
  synthesize(folder / "a", {.shape = "tales", .seed = 1});
  synthesize(folder / "b", {.shape = "tales", .seed = 1});
  synthesize(folder / "c", {.shape = "tales", .seed = 2});
  EXPECT_EQ(bytes_of(folder / "a"), bytes_of(folder / "b"));
  EXPECT_NE(bytes_of(folder / "a"), bytes_of(folder / "c"));
  EXPECT_THROW(synthesize(folder / "d", {.shape = "9b"}), Error);
}

}  // namespace
}  // namespace sterna
