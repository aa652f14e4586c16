#include "quantize/compensated.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "quantize/ternary.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr std::uint64_t kCols = 256;
constexpr std::uint64_t kRows = 24;

struct Case {
  std::vector<float> weights;
  std::vector<float> gram;
};

/// Weights, and inputs that are correlated: each channel mixes a few common factors.
Case correlated(unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Case result;
  result.weights.resize(kRows * kCols);
  for (float& w : result.weights) w = 0.05f * normal(random);
  constexpr std::size_t kFactors = 20;
  std::vector<float> mix(kCols * kFactors);
  for (float& m : mix) m = normal(random);
  result.gram.assign(kCols * kCols, 0);
  for (std::uint64_t i = 0; i < kCols; ++i) {
    for (std::uint64_t j = 0; j < kCols; ++j) {
      for (std::size_t f = 0; f < kFactors; ++f)
        result.gram[i * kCols + j] += mix[i * kFactors + f] * mix[j * kFactors + f];
    }
    result.gram[i * kCols + i] += 1;
  }
  return result;
}

/// The same in double, one weight at a time, straight from the definition.
std::vector<int> naive_codes(const Grid& grid, const Compensation& compensation, const float* w,
                             const std::vector<float>& scales) {
  std::vector<double> row(w, w + kCols);
  std::vector<int> codes;
  for (std::uint64_t j = 0; j < kCols; ++j) {
    const double scale = static_cast<double>(scales[j / grid.group]);
    const double code =
        scale == 0 ? 0 : std::clamp(std::nearbyint(row[j] / scale), double(grid.least), double(grid.most));
    codes.push_back(static_cast<int>(code));
    const double error = row[j] - code * scale;
    for (std::uint64_t k = j + 1; k < kCols; ++k)
      row[k] -= error * static_cast<double>(compensation.row(j)[k]);
  }
  return codes;
}

class Compensated : public testing::TestWithParam<Grid> {};

TEST_P(Compensated, LosesLessOfTheOutputsThanRoundingAtTheSameSize) {
  const Grid& grid = GetParam();
  const Case problem = correlated(1);
  ThreadPool pool(2);
  const auto error_of = [&](const GridMatrix& matrix) {
    return output_error(problem.weights, values_of(matrix), kRows, kCols, problem.gram, pool).relative();
  };
  const Compensation compensation(problem.gram, kCols);
  const double plain = error_of(round_nearest(grid, {}, problem.weights, kRows, kCols, {}, pool));
  const double better = error_of(round_compensated(grid, {}, compensation, problem.weights, kRows, {}, pool));
  EXPECT_LT(better, 0.6 * plain);  // the inputs have 20 strong directions of 256
}

TEST_P(Compensated, IsTheDefinition) {
  const Grid& grid = GetParam();
  const Case problem = correlated(2);
  ThreadPool pool(1);
  const Compensation compensation(problem.gram, kCols);
  const GridMatrix matrix = round_compensated(grid, {}, compensation, problem.weights, kRows, {}, pool);
  const std::uint64_t groups = kCols / grid.group;
  std::size_t different = 0;
  for (std::uint64_t r = 0; r < kRows; ++r) {
    const std::vector<float> scales(matrix.scales.begin() + static_cast<std::ptrdiff_t>(r * groups),
                                    matrix.scales.begin() + static_cast<std::ptrdiff_t>((r + 1) * groups));
    const auto codes = naive_codes(grid, compensation, problem.weights.data() + r * kCols, scales);
    for (std::uint64_t k = 0; k < kCols; ++k) different += codes[k] != matrix.codes[r * kCols + k];
  }
  // float32 against double: a weight near the middle of two codes goes the other way, and those after it
  // follow.
  EXPECT_LT(different, kRows * kCols / 20);
}

TEST_P(Compensated, DoesNotDependOnThreads) {
  const Grid& grid = GetParam();
  const Case problem = correlated(3);
  const Compensation compensation(problem.gram, kCols);
  ThreadPool one(1);
  const GridMatrix expected = round_compensated(grid, {}, compensation, problem.weights, kRows, {}, one);
  for (const unsigned threads : {2u, 3u}) {
    ThreadPool pool(threads);
    const GridMatrix found = round_compensated(grid, {}, compensation, problem.weights, kRows, {}, pool);
    EXPECT_EQ(found.codes, expected.codes);
    EXPECT_EQ(found.scales, expected.scales);
  }
}

TEST_P(Compensated, IsPlainRoundingWhereInputsAreIndependent) {
  const Grid& grid = GetParam();
  const Case problem = correlated(4);
  std::vector<float> identity(kCols * kCols);
  for (std::uint64_t i = 0; i < kCols; ++i) identity[i * kCols + i] = 2;
  ThreadPool pool(2);
  std::vector<GroupRules> all{{}};
  if (grid.precision == Precision::Ternary) {
    for (const TernaryRuleInfo& row : ternary_rules()) all.push_back({.ternary = row.rule});
  }
  for (const GroupRules& rules : all) {
    const GridMatrix plain = round_nearest(grid, rules, problem.weights, kRows, kCols, {}, pool);
    const GridMatrix found =
        round_compensated(grid, rules, Compensation(identity, kCols), problem.weights, kRows, {}, pool);
    EXPECT_EQ(found.codes, plain.codes);
    EXPECT_EQ(found.scales, plain.scales);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Compensated, testing::ValuesIn(grids().begin(), grids().end()),
                         [](const auto& row) { return std::string(name(row.param.dtype)); });

TEST(Compensation, TakesInputsThatAreAlwaysZero) {
  std::vector<float> gram(16, 0.0f);
  gram[0] = 4;
  const Compensation compensation(gram, 4);
  for (std::uint64_t j = 0; j < 4; ++j) EXPECT_EQ(compensation.row(j)[j], 1.0f);
}

TEST(Compensation, RefusesWhatIsNoGram) {
  EXPECT_THROW(Compensation(std::vector<float>(15), 4), Error);
  EXPECT_THROW(Compensation({std::vector<float>{1, 0, 0, NAN}}, 2), Error);
  EXPECT_THROW(Compensation({std::vector<float>{1, 5, 5, 1}}, 2), Error);
}

TEST(OutputError, IsTheMeanOverInputs) {
  const std::vector<float> w{1, 2, 3, 4};
  const std::vector<float> stored{1, 1, 3, 5};
  const std::vector<float> gram{2, 1, 1, 3};
  ThreadPool pool(1);
  const OutputError error = output_error(w, stored, 2, 2, gram, pool);
  EXPECT_DOUBLE_EQ(error.error, 3 + 3);
  EXPECT_DOUBLE_EQ(error.whole, (2 + 4 + 12) + (18 + 24 + 48));
}

}  // namespace
}  // namespace sterna
