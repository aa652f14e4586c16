#include "quantize/ternary.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "quantize/absmean.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

std::vector<float> normal(std::size_t n, unsigned seed) {
  std::minstd_rand random(seed);
  std::normal_distribution<float> distribution(0, 0.05f);
  std::vector<float> values(n);
  for (float& v : values) v = distribution(random);
  return values;
}

double squared_error(std::span<const float> w, std::span<const float> a, const TernaryChoice& choice) {
  double sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const int trit = (w[i] > choice.threshold) - (w[i] < -choice.threshold);
    const double error = double{w[i]} - trit * double{choice.scale};
    sum += (a.empty() ? 1.0 : double{a[i]}) * error * error;
  }
  return sum;
}

/// The least error over all 3^n assignments of trits, each with its best scale.
double least_error(std::span<const float> w, std::span<const float> a) {
  double squares = 0;
  for (std::size_t i = 0; i < w.size(); ++i) squares += (a.empty() ? 1.0 : a[i]) * double{w[i]} * w[i];
  double best = squares;
  std::vector<int> trits(w.size(), -1);
  for (;;) {
    double products = 0;
    double weights = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      products += (a.empty() ? 1.0 : a[i]) * w[i] * trits[i];
      weights += (a.empty() ? 1.0 : a[i]) * trits[i] * trits[i];
    }
    if (weights > 0) best = std::min(best, squares - products * products / weights);
    std::size_t i = 0;
    while (i < trits.size() && ++trits[i] == 2) trits[i++] = -1;
    if (i == trits.size()) return best;
  }
}

TEST(Ternary, TheTableIsInTheOrderOfTheRules) {
  for (const TernaryRuleInfo& row : ternary_rules()) EXPECT_EQ(&info(row.rule), &row);
}

TEST(Ternary, ByHand) {
  const std::vector<float> w{1, -2, 3, -2, 0.5f, 0};  // magnitudes 0, 0.5, 1, 2, 2, 3
  const auto choice = [&](TernaryRule rule, const TernaryOptions& options = {}) {
    return choose_ternary(rule, w, {}, options);
  };
  EXPECT_EQ(choice(TernaryRule::AbsMean), (TernaryChoice{8.5f / 12, 8.5f / 6}));
  EXPECT_EQ(choice(TernaryRule::AbsMedian), (TernaryChoice{0.75f, 1.5f}));
  EXPECT_EQ(choice(TernaryRule::Percentile, {0.5}), (TernaryChoice{1, 7.0f / 3}));
  // One of the two 2s would become 0: it stays with the other.
  EXPECT_EQ(choice(TernaryRule::Percentile, {0.7}), (TernaryChoice{1, 7.0f / 3}));
  EXPECT_EQ(choice(TernaryRule::Percentile, {0}), (TernaryChoice{0, 8.5f / 6}));
  // S_k²/k: 9, (5²/2 has half of a tie), 49/3 = 16.33, 64/4 = 16, 72.25/5
  EXPECT_EQ(choice(TernaryRule::LeastSquares), (TernaryChoice{1, 7.0f / 3}));
  EXPECT_EQ(choice(TernaryRule::WeightedLeastSquares), choice(TernaryRule::LeastSquares));
  // The first weight counts a hundredfold: (3 + 4 + 100)² / 103 = 111.2 is more than 49/3.
  const std::vector<float> importance{100, 1, 1, 1, 1, 1};
  EXPECT_EQ(choose_ternary(TernaryRule::WeightedLeastSquares, w, importance),
            (TernaryChoice{0.5f, 107.0f / 103}));
}

TEST(Ternary, LeastSquaresIsTheOptimum) {
  std::minstd_rand random(7);
  for (int round = 0; round < 60; ++round) {
    const std::size_t n = 1 + random() % 8;
    std::vector<float> w(n);
    std::vector<float> a(n);
    for (float& v : w)
      v = static_cast<float>(static_cast<int>(random() % 41) - 20) / 8;  // with ties and zeros
    for (float& v : a) v = static_cast<float>(random() % 4) / 2;
    const double plain = squared_error(w, {}, choose_ternary(TernaryRule::LeastSquares, w));
    EXPECT_NEAR(plain, least_error(w, {}), 1e-5) << round;
    if (std::count(a.begin(), a.end(), 0.0f) == static_cast<std::ptrdiff_t>(n)) continue;
    const double weighted = squared_error(w, a, choose_ternary(TernaryRule::WeightedLeastSquares, w, a));
    EXPECT_NEAR(weighted, least_error(w, a), 1e-5) << round;
  }
}

TEST(Ternary, LeastSquaresBeatsEveryOtherRule) {
  const std::vector<float> w = normal(256, 3);
  const double best = squared_error(w, {}, choose_ternary(TernaryRule::LeastSquares, w));
  for (const TernaryRuleInfo& row : ternary_rules()) {
    EXPECT_LE(best, squared_error(w, {}, choose_ternary(row.rule, w)) * (1 + 1e-6)) << row.name;
  }
}

TEST(Ternary, WhatHasNoSpread) {
  for (const TernaryRuleInfo& row : ternary_rules()) {
    const std::vector<float> zeros(64, -0.0f);
    const TernaryMatrix nothing = quantize_ternary(zeros, 2, 32, row.rule, {});
    EXPECT_EQ(nothing.trits, std::vector<std::int8_t>(64, 0)) << row.name;
    EXPECT_LE(nothing.scales.values.at(0), 1e-5f) << row.name;
    const std::vector<float> equal(64, -0.75f);
    const TernaryMatrix same = quantize_ternary(equal, 2, 32, row.rule, {});
    EXPECT_EQ(same.trits, std::vector<std::int8_t>(64, -1)) << row.name;
    EXPECT_EQ(same.scales.values.at(0), 0.75f) << row.name;
    EXPECT_GE(choose_ternary(row.rule, {}).scale, 0) << row.name;
    // The largest finite floats, and the least.
    const std::vector<float> large(64, std::numeric_limits<float>::max());
    EXPECT_EQ(choose_ternary(row.rule, large).scale, std::numeric_limits<float>::max()) << row.name;
    EXPECT_TRUE(std::isfinite(choose_ternary(row.rule, std::vector<float>(64, 1e-45f)).scale)) << row.name;
  }
  // No input ever reaches these weights: any scale would do, that of plain least squares is taken.
  const std::vector<float> w = normal(64, 1);
  EXPECT_EQ(choose_ternary(TernaryRule::WeightedLeastSquares, w, std::vector<float>(64, 0.0f)),
            choose_ternary(TernaryRule::LeastSquares, w));
}

TEST(Ternary, AbsMeanOfATensorIsTheEnginesOwn) {
  for (const std::uint64_t cols : {1, 7, 33, 256, 2051}) {
    const std::uint64_t rows = 9;
    const std::vector<float> w = normal(rows * cols, static_cast<unsigned>(cols));
    const TernaryMatrix found = quantize_ternary(w, rows, cols, TernaryRule::AbsMean, {});
    const TernaryMatrix expected =
        quantize_absmean(DType::F32, std::as_bytes(std::span(w)), rows, cols, DType::F32);
    EXPECT_EQ(found.trits, expected.trits);
    EXPECT_EQ(found.scales.values, expected.scales.values);
  }
}

TEST(Ternary, EveryRuleAtEveryGrain) {
  const std::uint64_t rows = 6;
  const std::uint64_t cols = 256;
  const std::vector<float> w = normal(rows * cols, 5);
  std::vector<float> importance(cols);
  for (std::size_t i = 0; i < cols; ++i) importance[i] = 0.5f + static_cast<float>(i % 5);
  const Grain grains[] = {{ScaleGrain::Tensor, 0},
                          {ScaleGrain::Row, 0},
                          {ScaleGrain::Block, 32},
                          {ScaleGrain::Block, 64},
                          {ScaleGrain::Block, 256}};
  for (const TernaryRuleInfo& row : ternary_rules()) {
    for (const Grain& grain : grains) {
      const TernaryMatrix matrix = quantize_ternary(w, rows, cols, row.rule, grain, importance);
      EXPECT_EQ(matrix.scales.grain, grain.kind);
      EXPECT_EQ(matrix.scales.block, grain.block);
      const std::size_t size = w.size() / matrix.scales.values.size();
      for (std::size_t g = 0; g < matrix.scales.values.size(); ++g) {
        const std::span<const float> group(w.data() + g * size, size);
        std::vector<float> of_group(size);
        for (std::size_t i = 0; i < size; ++i) of_group[i] = importance[(g * size + i) % cols];
        TernaryChoice choice = choose_ternary(row.rule, group, of_group);
        if (row.rule == TernaryRule::AbsMean && grain.kind == ScaleGrain::Tensor) {
          choice.scale = matrix.scales.values[g];  // summed row by row
          choice.threshold = choice.scale / 2;
        }
        ASSERT_EQ(matrix.scales.values[g], choice.scale) << row.name;
        const float bound = std::max(choice.threshold, choice.scale - choice.threshold) * (1 + 1e-6f);
        for (std::size_t i = 0; i < size; ++i) {
          const std::int8_t trit = matrix.trits[g * size + i];
          ASSERT_EQ(trit, (group[i] > choice.threshold) - (group[i] < -choice.threshold));
          const float error = std::abs(group[i] - static_cast<float>(trit) * choice.scale);
          ASSERT_LE(error, std::max(bound, std::abs(group[i]) - choice.scale)) << row.name;
        }
      }
    }
  }
}

TEST(Ternary, StochasticRoundingIsRightOnAverage) {
  const std::vector<float> w{0.9f, -0.3f, 0.05f, 0.0f, -0.6f, 2.0f, -1.0f, 0.5f};
  std::vector<double> sums(w.size());
  constexpr int kDraws = 4000;
  float scale = 0;
  for (int seed = 0; seed < kDraws; ++seed) {
    const TernaryMatrix matrix =
        quantize_ternary(w, 1, w.size(), TernaryRule::AbsMean, {}, {}, {},
                         {RoundingMode::Stochastic, static_cast<std::uint64_t>(seed)});
    scale = matrix.scales.values[0];
    for (std::size_t i = 0; i < w.size(); ++i) sums[i] += matrix.trits[i];
  }
  // A trit's deviation is at most 1/2 about its mean: 5 deviations of the mean of 4000.
  for (std::size_t i = 0; i < w.size(); ++i) {
    EXPECT_NEAR(sums[i] / kDraws, std::clamp(w[i] / scale, -1.0f, 1.0f), 5 * 0.5 / std::sqrt(kDraws)) << w[i];
  }
}

TEST(Ternary, StochasticRoundingDependsOnTheElementAlone) {
  const std::vector<float> w = normal(4 * 96, 9);
  const Rounding rounding{RoundingMode::Stochastic, 42};
  const TernaryMatrix whole =
      quantize_ternary(w, 4, 96, TernaryRule::AbsMean, {ScaleGrain::Block, 32}, {}, {}, rounding);
  const TernaryMatrix first = quantize_ternary(std::span(w).first(96), 1, 96, TernaryRule::AbsMean,
                                               {ScaleGrain::Block, 32}, {}, {}, rounding);
  EXPECT_TRUE(std::equal(first.trits.begin(), first.trits.end(), whole.trits.begin()));
  const TernaryMatrix other = quantize_ternary(w, 4, 96, TernaryRule::AbsMean, {ScaleGrain::Block, 32}, {},
                                               {}, {RoundingMode::Stochastic, 43});
  EXPECT_NE(other.trits, whole.trits);
}

TEST(Ternary, Refuses) {
  std::vector<float> w(64, 1.0f);
  const auto refused = [](auto f) {
    try {
      f();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const auto matrix = [&](std::uint64_t rows, std::uint64_t cols, Grain grain) {
    return refused([&] { quantize_ternary(w, rows, cols, TernaryRule::AbsMean, grain); });
  };
  EXPECT_NE(matrix(2, 31, {}).find("do not fit their shape"), std::string::npos);
  EXPECT_NE(matrix(std::uint64_t{1} << 63, 66, {}).find("do not fit their shape"), std::string::npos);
  for (const std::uint32_t block : {0u, 16u, 48u, 512u}) {
    EXPECT_NE(matrix(1, 64, {ScaleGrain::Block, block}).find("blocks of this size"), std::string::npos)
        << block;
  }
  EXPECT_NE(refused([&] { choose_ternary(TernaryRule::Percentile, w, {}, {1.0}); }).find("percentile"),
            std::string::npos);
  EXPECT_NE(
      refused([&] { choose_ternary(TernaryRule::Percentile, w, {}, {std::nan("")}); }).find("percentile"),
      std::string::npos);
  EXPECT_NE(refused([&] {
              choose_ternary(TernaryRule::AbsMean, w, std::vector<float>(63, 1.0f));
            }).find("importances"),
            std::string::npos);
  std::vector<float> importance(64, 1.0f);
  importance[5] = -1;
  EXPECT_NE(refused([&] { choose_ternary(TernaryRule::AbsMean, w, importance); }).find("negative"),
            std::string::npos);
  w[37] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(refused([&] { choose_ternary(TernaryRule::AbsMean, w); }).find("index: 37"), std::string::npos);
  EXPECT_NE(matrix(2, 32, {}).find("row: 1, column: 5"), std::string::npos);
}

}  // namespace
}  // namespace sterna
