#include "quantize/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace sterna {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> normal(std::mt19937& random, std::size_t n, float deviation) {
  std::normal_distribution<float> draw(0.0f, deviation);
  std::vector<float> values(n);
  for (float& v : values) v = draw(random);
  return values;
}

TEST(WeightError, IsThatOfTheDefinition) {
  std::mt19937 random(1);
  for (const std::size_t cols : {1, 7, 8, 9, 250, 1024}) {
    const std::size_t rows = 5;
    const auto weights = normal(random, rows * cols, 0.03f);
    auto stored = weights;
    for (float& v : stored) v = std::nearbyint(v * 64.0f) / 64.0f;
    ErrorSums sums;
    for (std::size_t r = 0; r < rows; ++r) {
      sums.add({weights.data() + r * cols, cols}, {stored.data() + r * cols, cols});
    }
    long double ww = 0, ss = 0, ws = 0, ee = 0, most = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const long double w = weights[i], s = stored[i];
      ww += w * w, ss += s * s, ws += w * s, ee += (s - w) * (s - w);
      most = std::max(most, std::abs(s - w));
    }
    const WeightError error = sums.weight_error();
    // n additions in double differ from those in long double by n·2^-53 at most.
    const double near = 1e-12;
    EXPECT_NEAR(error.mse, static_cast<double>(ee / weights.size()), near * error.mse);
    EXPECT_NEAR(error.sqnr, static_cast<double>(10 * std::log10(ww / ee)), 1e-10);
    if (ss > 0) {
      EXPECT_NEAR(error.cosine, static_cast<double>(ws / std::sqrt(ww * ss)), near);
    }
    EXPECT_EQ(error.max_error, static_cast<double>(most));
    EXPECT_NEAR(sums.relative(), static_cast<double>(ee / ww), near);
  }
}

TEST(WeightError, AtTheEnds) {
  const std::vector<float> zeros(9, 0.0f), ones(9, 1.0f);
  const auto of = [](const std::vector<float>& reference, const std::vector<float>& found) {
    ErrorSums sums;
    sums.add(reference, found);
    return sums;
  };
  const WeightError exact = of(ones, ones).weight_error();
  EXPECT_EQ(exact.mse, 0);
  EXPECT_TRUE(std::isinf(exact.sqnr) && exact.sqnr > 0);
  EXPECT_EQ(exact.cosine, 1);
  const WeightError wrong = of(zeros, ones).weight_error();
  EXPECT_TRUE(std::isinf(wrong.sqnr) && wrong.sqnr < 0);
  EXPECT_EQ(wrong.cosine, 0);
  EXPECT_EQ(wrong.max_error, 1);
  EXPECT_EQ(of(ones, zeros).weight_error().sqnr, 0);
  EXPECT_EQ(of(zeros, zeros).weight_error().cosine, 1);
  EXPECT_TRUE(std::isnan(of(zeros, zeros).relative()));
  EXPECT_TRUE(std::isinf(of(zeros, ones).relative()));
  EXPECT_TRUE(std::isnan(ErrorSums().relative()));
  EXPECT_EQ(ErrorSums().weight_error().mse, 0);
  auto broken = ones;
  broken[3] = std::nanf("");
  const WeightError none = of(ones, broken).weight_error();
  EXPECT_TRUE(std::isnan(none.mse) && std::isnan(none.sqnr) && std::isnan(none.cosine) &&
              std::isnan(none.max_error));
}

TEST(Logits, AreComparedAsDefined) {
  std::mt19937 random(2);
  LogitSums sums;
  double kl = 0;
  for (const std::size_t vocab : {1, 2, 33, 4096}) {
    for (const float offset : {0.0f, 500.0f, -3e4f}) {  // exp of these alone is 0 or ∞
      auto p = normal(random, vocab, 4.0f);
      auto q = p;
      for (float& x : q) x += static_cast<float>(random() % 1000) * 1e-3f;
      for (float& x : p) x += offset;
      const auto target = static_cast<TokenId>(random() % vocab);
      long double zp = 0, zq = 0, wanted = 0;
      for (std::size_t i = 0; i < vocab; ++i) {
        zp += std::exp(static_cast<long double>(p[i]) - offset);
        zq += std::exp(static_cast<long double>(q[i]));
      }
      for (std::size_t i = 0; i < vocab; ++i) {
        const long double lp = static_cast<long double>(p[i]) - offset - std::log(zp),
                          lq = q[i] - std::log(zq);
        wanted += std::exp(lp) * (lp - lq);
      }
      const LogitError error = compare_logits(p, q, target);
      // Logits of 3e4 have differences exact in double; the rest is rounding of their logarithms.
      EXPECT_NEAR(error.kl, static_cast<double>(wanted), 1e-10);
      EXPECT_NEAR(error.reference_nll,
                  static_cast<double>(std::log(zp) - (static_cast<long double>(p[target]) - offset)), 1e-10);
      EXPECT_NEAR(error.found_nll, static_cast<double>(std::log(zq) - q[target]), 1e-10);
      sums.add(error);
      kl += error.kl;
    }
  }
  EXPECT_EQ(sums.tokens, 12u);
  EXPECT_GE(sums.same_top, 3u);
  EXPECT_EQ(sums.kl, kl);
}

TEST(Logits, OfTheSameModelDoNotDiffer) {
  std::mt19937 random(3);
  const auto p = normal(random, 1000, 5.0f);
  const LogitError error = compare_logits(p, p, 17);
  EXPECT_EQ(error.kl, 0);
  EXPECT_EQ(error.reference_nll, error.found_nll);
  EXPECT_EQ(error.reference_top, error.found_top);
}

TEST(Logits, WhatCannotHappen) {
  const std::vector<float> p{0.0f, -kInfinity}, q{0.0f, 0.0f};
  EXPECT_NEAR(compare_logits(p, q, 0).kl, std::log(2.0), 1e-15);
  EXPECT_TRUE(std::isinf(compare_logits(q, p, 0).kl));
  EXPECT_TRUE(std::isinf(compare_logits(q, p, 1).found_nll));
  EXPECT_EQ(compare_logits(q, q, 0).reference_top, 0);
}

}  // namespace
}  // namespace sterna
