#include "quantize/integers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "sterna/error.hpp"

namespace sterna {
namespace {

const IntegerFormat& format(std::string_view name) {
  return *find_integer_format(name);
}

/// Every weight of every group is within the bound that the header states.
void expect_within_bounds(std::span<const float> w, const IntegerMatrix& matrix, RoundingMode mode,
                          const std::string& what) {
  std::vector<float> back(w.size());
  dequantize(matrix, back);
  const std::size_t size = matrix.scales.empty() ? 0 : w.size() / matrix.scales.size();
  for (std::size_t g = 0; g < matrix.scales.size(); ++g) {
    const IntegerScale& scale = matrix.scales[g];
    float most = 0;
    for (const float v : w.subspan(g * size, size)) most = std::max(most, std::abs(v));
    double bound = double{scale.scale} / 2;
    if (mode == RoundingMode::Stochastic) bound = scale.scale;
    if (matrix.format->bits == 1) bound = std::max(scale.scale, most - scale.scale);
    if (scale.scale == 0) bound = std::ldexp(1.0, -118);  // 255 steps below the normal floats
    bound += std::ldexp(double{most}, -22);
    for (std::size_t i = g * size; i < (g + 1) * size; ++i) {
      ASSERT_GE(matrix.codes[i], matrix.format->least) << what;
      ASSERT_LE(matrix.codes[i], matrix.format->most) << what;
      ASSERT_EQ(back[i], static_cast<float>(matrix.codes[i] - scale.zero) * scale.scale) << what;
      ASSERT_LE(std::abs(double{w[i]} - back[i]), bound) << what << " " << w[i];
    }
  }
}

std::vector<float> values(std::size_t n, float mean, float deviation, unsigned seed) {
  std::minstd_rand random(seed);
  std::normal_distribution<float> distribution(mean, deviation);
  std::vector<float> w(n);
  for (float& v : w) v = distribution(random);
  return w;
}

TEST(Integers, ByHand) {
  const std::vector<float> w{-1.4f, 0.2f, 0.5f, 1.0f, 0.0f, -0.0f};
  const IntegerMatrix four = quantize_integers(w, 1, 6, format("int4"), {});
  EXPECT_EQ(four.scales[0].scale, 1.4f / 7);
  EXPECT_EQ(four.codes, (std::vector<std::int8_t>{-7, 1, 2, 5, 0, 0}));
  const IntegerMatrix shifted = quantize_integers(w, 1, 6, format("int2-asymmetric"), {});
  EXPECT_EQ(shifted.scales[0].scale, 0.8f);  // 2.4 / 3; -1.4 / 0.8 = -1.75 becomes -2, the code -2
  EXPECT_EQ(shifted.scales[0].zero, 0);
  EXPECT_EQ(shifted.codes, (std::vector<std::int8_t>{-2, 0, 1, 1, 0, 0}));
  const IntegerMatrix signs = quantize_integers(w, 1, 6, format("binary"), {});
  EXPECT_EQ(signs.scales[0].scale, static_cast<float>((1.4f + 0.2 + 0.5 + 1.0) / 6));
  EXPECT_EQ(signs.codes, (std::vector<std::int8_t>{-1, 1, 1, 1, 1, 1}));
}

TEST(Integers, TheTable) {
  std::set<std::string_view> names;
  for (const IntegerFormat& row : integer_formats()) {
    EXPECT_TRUE(names.insert(row.name).second);
    EXPECT_EQ(find_integer_format(row.name), &row);
    EXPECT_LE(row.most - row.least, (1 << row.bits) - (row.bits == 1 ? 0 : 1));
  }
  EXPECT_EQ(find_integer_format("int5"), nullptr);
}

TEST(Integers, EveryFormatAtEveryGrainIsWithinItsBound) {
  const std::uint64_t rows = 4;
  const std::uint64_t cols = 256;
  const std::vector<std::vector<float>> matrices{
      values(rows * cols, 0, 0.05f, 1),      values(rows * cols, 3, 0.5f, 2),
      values(rows * cols, -40, 7, 3),        values(rows * cols, 0, 1e37f, 4),
      values(rows * cols, 0, 3e-37f, 5),     values(rows * cols, 0, 1e-42f, 6),
      std::vector<float>(rows * cols, 0.0f), std::vector<float>(rows * cols, -2.0f)};
  const Grain grains[] = {{ScaleGrain::Tensor, 0}, {ScaleGrain::Row, 0},     {ScaleGrain::Block, 32},
                          {ScaleGrain::Block, 64}, {ScaleGrain::Block, 128}, {ScaleGrain::Block, 256}};
  for (const IntegerFormat& row : integer_formats()) {
    for (const std::vector<float>& w : matrices) {
      for (const Grain& grain : grains) {
        for (const RoundingMode mode : {RoundingMode::Nearest, RoundingMode::Stochastic}) {
          if (row.bits == 1 && mode == RoundingMode::Stochastic) continue;
          const IntegerMatrix matrix = quantize_integers(w, rows, cols, row, grain, {mode, 11});
          expect_within_bounds(w, matrix, mode, std::string(row.name));
        }
      }
    }
  }
}

TEST(Integers, ZeroIsExact) {
  for (const IntegerFormat& row : integer_formats()) {
    if (row.bits == 1) continue;
    std::vector<float> w = values(64, 1.7f, 1, 8);
    w[10] = 0;
    w[11] = -0.0f;
    for (const RoundingMode mode : {RoundingMode::Nearest, RoundingMode::Stochastic}) {
      std::vector<float> back(w.size());
      dequantize(quantize_integers(w, 1, 64, row, {}, {mode, 1}), back);
      EXPECT_EQ(back[10], 0) << row.name;
      EXPECT_EQ(back[11], 0) << row.name;
    }
  }
}

TEST(Integers, BinaryErrorIsWhatTheScaleLeaves) {
  const std::vector<float> w = values(256, 0.1f, 1, 12);
  const IntegerMatrix matrix = quantize_integers(w, 1, 256, format("binary"), {});
  std::vector<float> back(256);
  dequantize(matrix, back);
  double squares = 0;
  double error = 0;
  for (std::size_t i = 0; i < 256; ++i) {
    squares += double{w[i]} * w[i];
    error += (double{w[i]} - back[i]) * (double{w[i]} - back[i]);
  }
  const double scale = matrix.scales[0].scale;
  EXPECT_NEAR(error, squares - 256 * scale * scale, 1e-4);
}

TEST(Integers, StochasticRoundingIsRightOnAverage) {
  const std::vector<float> w{0.9f, -0.33f, 0.05f, 0.0f, -0.61f, 2.0f, -1.1f, 0.5f};
  std::vector<double> sums(w.size());
  constexpr int kDraws = 4000;
  for (int seed = 0; seed < kDraws; ++seed) {
    const IntegerMatrix matrix = quantize_integers(
        w, 1, w.size(), format("int4"), {}, {RoundingMode::Stochastic, static_cast<std::uint64_t>(seed)});
    for (std::size_t i = 0; i < w.size(); ++i) sums[i] += matrix.codes[i];
  }
  for (std::size_t i = 0; i < w.size(); ++i) {
    EXPECT_NEAR(sums[i] / kDraws, w[i] / (2.0f / 7), 5 * 0.5 / std::sqrt(kDraws)) << w[i];
  }
}

TEST(Integers, Refuses) {
  std::vector<float> w(64, 1.0f);
  EXPECT_THROW(quantize_integers(w, 1, 63, format("int4"), {}), Error);
  EXPECT_THROW(quantize_integers(w, 1, 64, format("int4"), {ScaleGrain::Block, 24}), Error);
  EXPECT_THROW(quantize_integers(w, 1, 64, format("binary"), {}, {RoundingMode::Stochastic, 0}), Error);
  const IntegerMatrix matrix = quantize_integers(w, 1, 64, format("int4"), {});
  std::vector<float> back(63);
  EXPECT_THROW(dequantize(matrix, back), Error);
  w[3] = -std::numeric_limits<float>::infinity();
  EXPECT_THROW(quantize_integers(w, 1, 64, format("int4"), {}), Error);
  EXPECT_TRUE(quantize_integers({}, 0, 64, format("int8"), {ScaleGrain::Block, 32}).scales.empty());
}

}  // namespace
}  // namespace sterna
