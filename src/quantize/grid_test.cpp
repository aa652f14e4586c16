#include "quantize/grid.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/half.hpp"
#include "packing/registry.hpp"
#include "sterna/error.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

std::vector<float> random_group(std::mt19937& random, std::size_t n, float spread = 1) {
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> w(n);
  for (float& x : w) x = normal(random);
  return w;
}

double squared_error(const Grid& grid, const std::vector<float>& w, const std::vector<float>& a,
                     float scale) {
  double sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double stored = static_cast<double>(nearest_code(grid, w[i], scale)) * static_cast<double>(scale);
    sum += (a.empty() ? 1.0 : static_cast<double>(a[i])) * std::pow(stored - static_cast<double>(w[i]), 2);
  }
  return sum;
}

class Grids : public testing::TestWithParam<Grid> {};

TEST_P(Grids, HoldTheirOwnValuesExactly) {
  const Grid& grid = GetParam();
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    std::vector<std::int8_t> codes(2 * grid.group);
    for (auto& code : codes)
      code = static_cast<std::int8_t>(
          grid.least + static_cast<int>(random() % static_cast<unsigned>(grid.most - grid.least + 1)));
    const std::vector<float> scales{0.75f, grid.precision == Precision::Ternary ? 2.0f : -0.001953125f};
    std::vector<std::byte> row(*storage_bytes(grid.dtype, 1, codes.size()));
    encode_row(grid.dtype, codes, scales, row.data());
    std::vector<float> out(codes.size());
    if (const Packing* packing = find_packing(grid.dtype)) {
      packing->dequantize_row(row.data(), out.size(), out.data());
    } else {
      dequantize_row(grid.dtype, row.data(), out.size(), out.data());
    }
    for (std::size_t i = 0; i < codes.size(); ++i) {
      ASSERT_EQ(out[i], static_cast<float>(codes[i]) * scales[i / grid.group]) << i;
    }
  }
}

TEST_P(Grids, RoundToTheNearestCode) {
  const Grid& grid = GetParam();
  std::mt19937 random(2);
  const std::vector<float> w = random_group(random, grid.group, 3);
  std::vector<std::int8_t> codes(w.size());
  nearest_codes(grid, w, 0.5f, codes.data());
  for (std::size_t i = 0; i < w.size(); ++i) {
    EXPECT_EQ(codes[i], nearest_code(grid, w[i], 0.5f));
    for (int code = grid.least; code <= grid.most; ++code) {
      EXPECT_LE(std::abs(w[i] - 0.5f * static_cast<float>(codes[i])),
                std::abs(w[i] - 0.5f * static_cast<float>(code)));
    }
  }
}

TEST_P(Grids, LeastSquaresIsNoWorseThanTheExtremeAndNearTheBestOfManyScales) {
  const Grid& grid = GetParam();
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    const auto w = random_group(random, grid.group);
    std::vector<float> a;
    if (round % 2) {
      a.resize(w.size());
      for (float& x : a) x = std::exp(static_cast<float>(random() % 5) - 2);
    }
    const float fitted = fit_scale(grid, ScaleRule::LeastSquares, w, a);
    const double found = squared_error(grid, w, a, fitted);
    // Refined by regression, f16 scales included, it may only differ by their rounding.
    EXPECT_LE(found, 1.02 * squared_error(grid, w, a, fit_scale(grid, ScaleRule::Extreme, w, {})));
    double best = std::numeric_limits<double>::infinity();
    float most = 0;
    for (const float x : w) most = std::max(most, std::abs(x));
    for (int i = 1; i <= 2000; ++i) {
      const float scale = 2 * most / static_cast<float>(grid.most) * static_cast<float>(i) / 2000;
      best = std::min({best, squared_error(grid, w, a, scale), squared_error(grid, w, a, -scale)});
    }
    // The error jumps as weights change codes: with 255 of them the best of 2,000 scales is a lucky one.
    EXPECT_LE(found, (grid.most > 16 ? 1.6 : 1.05) * best) << "round " << round;
  }
}

TEST_P(Grids, ZerosHaveAScaleOfZero) {
  const Grid& grid = GetParam();
  const std::vector<float> w(grid.group, 0.0f);
  for (const ScaleRule rule : {ScaleRule::Extreme, ScaleRule::LeastSquares}) {
    EXPECT_EQ(fit_scale(grid, rule, w, {}), 0.0f);
  }
  std::vector<std::int8_t> codes(w.size(), 5);
  nearest_codes(grid, w, 0, codes.data());
  for (const auto code : codes) EXPECT_EQ(code, 0);
}

TEST_P(Grids, RefuseScalesBeyondF16) {
  const Grid& grid = GetParam();
  const std::vector<float> w(grid.group, 3e38f);
  EXPECT_THROW(fit_scale(grid, ScaleRule::Extreme, w, {}), Error);
}

INSTANTIATE_TEST_SUITE_P(All, Grids, testing::ValuesIn(grids().begin(), grids().end()),
                         [](const auto& row) { return std::string(name(row.param.dtype)); });

TEST(Grid, TheExtremeRuleIsWhatDequantizeWrites) {
  // ggml's reference scales; the codes may differ where a weight lies between two.
  std::mt19937 random(4);
  for (const Precision precision : {Precision::Int4, Precision::Int8}) {
    const Grid& grid = *grid_of(precision);
    const auto w = random_group(random, grid.group);
    std::vector<std::byte> row(*storage_bytes(grid.dtype, 1, w.size()));
    quantize_row(grid.dtype, w.data(), w.size(), row.data());
    const float scale = f16_to_f32(load_unaligned<std::uint16_t>(row.data()));
    EXPECT_EQ(fit_scale(grid, ScaleRule::Extreme, w, {}), scale);
  }
}

}  // namespace
}  // namespace sterna
