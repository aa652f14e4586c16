// Float checkpoints to small files: what is kept, what is promised about size, and what is refused.
#include "sterna/quantize.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>

#include "base/half.hpp"
#include "model/checkpoint.hpp"
#include "model/model_writer.hpp"
#include "model/weights.hpp"
#include "quantize/ternary.hpp"
#include "sterna/calibration.hpp"
#include "sterna/convert.hpp"
#include "sterna/error.hpp"
#include "sterna/session.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A model of the bundled one's shape with float layers.
std::filesystem::path float_model(const std::filesystem::path& folder) {
  const auto path = folder / "float.gguf";
  synthesize(path, {.shape = "tales", .ternary = DType::BF16});
  return path;
}

/// Text enough for two windows of a tokenizer of bytes.
std::string some_text() {
  std::string text;
  for (int i = 0; text.size() < 1200; ++i) text += "word " + std::to_string(i * 7919 % 1000) + ", ";
  return text;
}

ErrorCategory category_of(const std::filesystem::path& in, const QuantizeOptions& options) {
  const auto out = in.parent_path() / "refused.gguf";
  try {
    quantize(in, out, options);
  } catch (const Error& error) {
    EXPECT_FALSE(std::filesystem::exists(out));
    return error.category();
  }
  ADD_FAILURE() << "not refused";
  return ErrorCategory::Internal;
}

TEST(Quantize, AModelTrainedForTernaryWeightsKeepsItsTritsAndScales) {
  STERNA_REQUIRE_SHARED(masters, "models/tales/bf16");
  STERNA_REQUIRE_SHARED(packed, "models/tales/packed");
  const auto out = testing::scratch() / "ternary.gguf";
  const QuantizeReport report = quantize(masters, out, {});
  EXPECT_EQ(report.rounding, "exact");
  const auto expected = open_checkpoint(packed);
  const auto found = open_checkpoint(out);
  std::size_t compared = 0;
  for (std::size_t n = 0; n < expected.layers.size(); ++n) {
    std::vector<TernaryMatrix> sides[2];
    for_each_linear(expected.layers[n], [&](const LinearSource& linear) {
      sides[0].push_back(read_ternary(linear, expected.unpack));
    });
    for_each_linear(found.layers[n], [&](const LinearSource& linear) {
      sides[1].push_back(read_ternary(linear, found.unpack));
    });
    for (std::size_t i = 0; i < sides[0].size(); ++i, ++compared) {
      EXPECT_EQ(sides[0][i].trits, sides[1][i].trits) << n << ", " << i;
      EXPECT_EQ(sides[0][i].scales.values, sides[1][i].scales.values) << n << ", " << i;
    }
  }
  EXPECT_EQ(compared, 42u);
}

class QuantizeUniform : public ::testing::TestWithParam<Precision> {};

TEST_P(QuantizeUniform, WritesEveryLayerInItAndTheModelRuns) {
  const auto folder = testing::scratch();
  const auto in = float_model(folder);
  const auto out = folder / "out.gguf";
  const QuantizeReport report = quantize(in, out, {.precision = GetParam(), .threads = 2});
  EXPECT_EQ(report.bytes, std::filesystem::file_size(out));
  const auto model = Model::load(out);
  std::map<std::string, DType> stored;
  for (const WeightReport& weight : model->weights()) stored[weight.name] = weight.stored;
  ASSERT_EQ(report.matrices.size(), 43u);
  // Uniform weights over [−a, a]: a step of the grid s gives an error of s²/12 against a²/3.
  const double least_sqnr = GetParam() == Precision::Ternary ? 7
                            : GetParam() == Precision::Int2  ? 8
                            : GetParam() == Precision::Int4  ? 20
                            : GetParam() == Precision::Int8  ? 45
                                                             : 60;
  for (const MatrixReport& matrix : report.matrices) {
    EXPECT_EQ(stored.at(matrix.name + ".weight"), matrix.stored);
    if (matrix.name == "token_embd") continue;
    EXPECT_EQ(matrix.chosen, GetParam());
    EXPECT_GT(matrix.error.sqnr, least_sqnr) << matrix.name;
    std::uint64_t counted = 0;
    for (const std::uint64_t count : matrix.histogram) counted += count;
    EXPECT_EQ(counted, matrix.rows * matrix.cols);
  }
  Session session(model, {.context = 16});
  const std::vector<TokenId> ids{0, 5, 6, 7};
  for (const float logit : session.evaluate(ids)) ASSERT_TRUE(std::isfinite(logit));
}

TEST_P(QuantizeUniform, IsTheSameFileForAnyNumberOfThreads) {
  const auto folder = testing::scratch();
  const auto in = float_model(folder);
  quantize(in, folder / "one.gguf", {.precision = GetParam(), .threads = 1});
  quantize(in, folder / "three.gguf", {.precision = GetParam(), .threads = 3});
  EXPECT_TRUE(bytes_of(folder / "one.gguf") == bytes_of(folder / "three.gguf"));
}

INSTANTIATE_TEST_SUITE_P(All, QuantizeUniform,
                         ::testing::Values(Precision::Ternary, Precision::Int2, Precision::Int4,
                                           Precision::Int8, Precision::F16),
                         [](const auto& row) { return std::string(to_string(row.param)); });

/// Rules that leave two matrices to be chosen: evaluating every one takes its time.
std::vector<PrecisionRule> all_but_two() {
  std::vector<PrecisionRule> rules;
  for (const char* pattern : {"token_embd", "blk.1.*", "blk.2.*", "blk.3.*", "blk.4.*", "blk.5.*",
                              "blk.0.attn_*", "blk.0.ffn_gate"}) {
    rules.push_back({pattern, Precision::F16});
  }
  return rules;
}

TEST(Quantize, KeepsABudgetAndWritesWhatItMeasured) {
  const auto folder = testing::scratch();
  const auto in = float_model(folder);
  const auto out = folder / "out.gguf";
  const std::string text = some_text();
  QuantizeOptions options{.budget = 34'500'000,
                          .rules = all_but_two(),
                          .kv = KvType::F32,
                          .calibration_text = text,
                          .calibration_tokens = 512,
                          .sensitivity_tokens = 511,
                          .frontier = 3,
                          .threads = 2};
  const QuantizeReport report = quantize(in, out, options);
  EXPECT_LE(report.matrix_bytes, options.budget);
  EXPECT_EQ(report.rounding, "compensated");
  EXPECT_EQ(report.gap, 0);
  std::size_t weighed = 0;
  for (const MatrixReport& matrix : report.matrices) weighed += matrix.sensitivity.size() > 1;
  EXPECT_EQ(weighed, 2u);
  const auto chosen = std::ranges::find(report.frontier, true, &FrontierPoint::chosen);
  ASSERT_NE(chosen, report.frontier.end());
  EXPECT_EQ(chosen->bytes, report.matrix_bytes);
  // The trial in memory computes what the file does, bit for bit.
  EXPECT_EQ(chosen->perplexity, report.perplexity);
  EXPECT_FALSE(report.held_out);
  options.budget = 1000;
  EXPECT_EQ(category_of(in, options), ErrorCategory::Limit);
}

class QuantizeByRule : public ::testing::TestWithParam<TernaryRuleInfo> {};

TEST_P(QuantizeByRule, EveryGroupHasItsTritsAndScale) {
  const auto folder = testing::scratch();
  const auto in = float_model(folder);
  const auto out = folder / "out.gguf";
  const TernaryRule rule = GetParam().rule;
  const std::string text = rule == TernaryRule::WeightedLeastSquares ? some_text() : std::string();
  const QuantizeReport report = quantize(in, out,
                                         {.precision = Precision::Ternary,
                                          .ternary_rule = rule,
                                          .rounding = WeightRounding::LeastSquares,
                                          .calibration_text = text,
                                          .calibration_tokens = 512,
                                          .sensitivity_tokens = 511,
                                          .threads = 2});
  EXPECT_EQ(report.ternary_rule, rule);
  std::vector<float> importance;
  if (!text.empty()) {
    const auto calibration = calibrate(Model::load(in), text, {.max_tokens = 512});
    const auto& moments = calibration.of("blk.1.ffn_down")->second_moments;
    importance.assign(moments.begin(), moments.end());
  }
  const Checkpoint before = open_checkpoint(in), after = open_checkpoint(out);
  const LinearSource& source = before.layers[1].down;
  std::vector<float> w(source.rows * source.cols), stored(w.size());
  read_rows(source, 0, source.rows, w.data());
  const StoredTensor& written = *after.layers[1].down.weight;
  ASSERT_EQ(written.dtype, DType::TQ1_0);
  find_packing(DType::TQ1_0)->dequantize_row(written.bytes.data(), stored.size(), stored.data());
  constexpr std::size_t kGroup = 256;
  for (std::size_t at = 0; at < w.size(); at += kGroup) {
    const auto a = importance.empty() ? std::span<const float>()
                                      : std::span(importance).subspan(at % source.cols, kGroup);
    const TernaryChoice choice = choose_ternary(rule, std::span(w).subspan(at, kGroup), a);
    const float scale = f16_to_f32(f32_to_f16(choice.scale));
    for (std::size_t i = at; i < at + kGroup; ++i) {
      const float wanted = w[i] > choice.threshold ? scale : w[i] < -choice.threshold ? -scale : 0.0f;
      ASSERT_EQ(stored[i], wanted) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, QuantizeByRule, ::testing::ValuesIn(ternary_rules()), [](const auto& row) {
  std::string name(row.param.name);
  std::ranges::replace(name, '-', '_');
  return name;
});

TEST(Quantize, RefusesOptionsThatContradictEachOther) {
  const auto in = float_model(testing::scratch());
  EXPECT_EQ(
      category_of(in, {.precision = Precision::Ternary, .ternary_rule = TernaryRule::WeightedLeastSquares}),
      ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of(testing::bundled_model(), {.ternary_rule = TernaryRule::AbsMean}),
            ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of(in, {}), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of(in, {.precision = Precision::Int4, .budget = 1 << 20}),
            ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of(in, {.budget = 1 << 24}), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of(in, {.precision = Precision::Int4, .rounding = WeightRounding::Compensated}),
            ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of(in, {.precision = Precision::Ternary, .ternary = DType::I2_S}),
            ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of(testing::bundled_model(), {.precision = Precision::Int4}),
            ErrorCategory::InvalidArgument);
}

TEST(SlowQuantize, TalesDenseKeepsItsPerplexity) {
  STERNA_REQUIRE_SHARED(in, "models/tales-dense");
  STERNA_REQUIRE_SHARED(train_path, "corpus/tales-train.txt");
  STERNA_REQUIRE_SHARED(heldout_path, "corpus/tales-heldout.txt");
  const std::string train = bytes_of(train_path).substr(0, 1 << 20);
  const std::string heldout = bytes_of(heldout_path).substr(0, 40'000);  // a third of it
  const auto out = testing::scratch() / "out.gguf";
  const auto rise_of = [&](QuantizeOptions options) {
    options.evaluation_text = heldout;
    options.calibration_text = train;
    options.calibration_tokens = 16'384;
    const QuantizeReport report = quantize(in, out, options);
    return report.perplexity / report.float_perplexity - 1;
  };
  EXPECT_LT(std::abs(rise_of({.precision = Precision::Int8, .rounding = WeightRounding::Nearest})), 0.003);
  const double plain = rise_of({.precision = Precision::Int4, .rounding = WeightRounding::Nearest});
  const double compensated = rise_of({.precision = Precision::Int4, .rounding = WeightRounding::Compensated});
  EXPECT_LT(plain, 0.03);
  EXPECT_LT(compensated, plain);
}

}  // namespace
}  // namespace sterna
