#include "quantize/grid.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/half.hpp"
#include "packing/registry.hpp"
#include "quantize/simd/elements.hpp"
#include "quantize/ternary.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr std::array kGrids{
    Grid{Precision::Ternary, DType::TQ1_0, 256, -1, 1},
    Grid{Precision::Int2, DType::Q2_0, 64, -1, 2},
    Grid{Precision::Int4, DType::Q4_0, 32, -8, 7},
    Grid{Precision::Int8, DType::Q8_0, 32, -127, 127},
};

constexpr std::size_t kLanes = 8;
/// Adding it leaves a float of magnitude below 2^22 no bits after the point: rounds half to even.
constexpr float kRound = 0x1.8p23f;

float to_f16(float scale) {
  const std::uint16_t half = f32_to_f16(scale);
  if ((half & 0x7fff) == 0x7c00) {
    throw Error(ErrorCategory::Mismatch, "a scale is outside the range of f16",
                {{"found", fmt::format("{}", scale)}});
  }
  return f16_to_f32(half);
}

/// Σ a·w·q and Σ a·q² for the codes nearest to w / scale.
struct Regression {
  float wq = 0;
  float qq = 0;
  /// What Σ a·(w − ŵ)² loses against ŵ = 0 with the best scale for these codes, wq / qq.
  float gain() const { return qq > 0 ? wq * wq / qq : 0; }
};

template <bool Weighted>
Regression regression(const Grid& grid, const float* w, const float* a, std::size_t n, float inverse) {
  const auto least = static_cast<float>(grid.least);
  const auto most = static_cast<float>(grid.most);
  float wq[kLanes] = {};
  float qq[kLanes] = {};
  for (std::size_t i = 0; i < n; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float x = w[i + l];
      const float clamped = std::min(std::max(x * inverse, least), most);
      const float q = (clamped + kRound) - kRound;
      const float aq = Weighted ? a[i + l] * q : q;
      wq[l] += aq * x;
      qq[l] += aq * q;
    }
  }
  Regression sum;
  for (std::size_t l = 0; l < kLanes; ++l) sum.wq += wq[l], sum.qq += qq[l];
  return sum;
}

float extreme_of(std::span<const float> w) {
  float extreme = 0;
  for (const float x : w) {
    if (std::abs(x) > std::abs(extreme)) extreme = x;
  }
  return extreme;
}

/// Where the extreme falls, in shares of the grid's end: below 1 the end is not used, which now and then fits
/// the others better; above 1 the extreme is clamped and the rest gain resolution. The fewer codes the more
/// is clamped: of 64 normal weights the largest is at 2.4 deviations, where the best 2-bit grid has its end
/// at 2 and, on the short side, at 1.
struct Search {
  int most;  ///< of the grids it is for
  float from, to, step;
};
constexpr Search kSearches[] = {{2, 0.8f, 3.0f, 0.05f}, {7, 0.8f, 1.5f, 0.02f}, {127, 0.96f, 1.03f, 0.002f}};

float fit_among(const Grid& grid, std::span<const float> w, std::span<const float> importance) {
  const Search& search = *std::ranges::find(kSearches, grid.most, &Search::most);
  const float extreme = extreme_of(w);
  if (extreme == 0) return 0;
  float best_gain = 0;
  float best = 0;
  const auto try_end = [&](int end) {
    for (float share = search.from; share <= search.to; share += search.step) {
      const float inverse = static_cast<float>(end) * share / extreme;
      const Regression sum = importance.empty()
                                 ? regression<false>(grid, w.data(), nullptr, w.size(), inverse)
                                 : regression<true>(grid, w.data(), importance.data(), w.size(), inverse);
      if (sum.gain() > best_gain) best_gain = sum.gain(), best = sum.wq / sum.qq;
    }
  };
  try_end(grid.most);
  if (grid.least != -grid.most) try_end(grid.least);  // else the same with all codes negated
  return best;
}

float absmean(std::span<const float> w) {
  double sum = 0;
  for (const float x : w) sum += static_cast<double>(std::abs(x));
  return static_cast<float>(sum / static_cast<double>(w.size()));
}

void store_scale(std::byte* out, float scale) {
  const std::uint16_t half = f32_to_f16(scale);
  std::memcpy(out, &half, sizeof half);
}

unsigned code_above(std::int8_t code, int least) {
  return static_cast<unsigned>(code - least);
}

void encode_q8_0(const std::int8_t* codes, float scale, std::byte* out) {
  store_scale(out, scale);
  std::memcpy(out + 2, codes, 32);
}

void encode_q4_0(const std::int8_t* codes, float scale, std::byte* out) {
  store_scale(out, scale);
  for (std::size_t j = 0; j < 16; ++j) {
    out[2 + j] = static_cast<std::byte>(code_above(codes[j], -8) | code_above(codes[j + 16], -8) << 4);
  }
}

void encode_q2_0(const std::int8_t* codes, float scale, std::byte* out) {
  store_scale(out, scale);
  for (std::size_t j = 0; j < 64; j += 4) {
    unsigned byte = 0;
    for (std::size_t k = 0; k < 4; ++k) byte |= code_above(codes[j + k], -1) << 2 * k;
    out[2 + j / 4] = static_cast<std::byte>(byte);
  }
}

struct Encoder {
  DType dtype;
  void (*block)(const std::int8_t* codes, float scale, std::byte* out);
};
constexpr Encoder kEncoders[] = {
    {DType::Q8_0, encode_q8_0}, {DType::Q4_0, encode_q4_0}, {DType::Q2_0, encode_q2_0}};

}  // namespace

std::span<const Grid> grids() noexcept {
  return kGrids;
}

const Grid* grid_of(Precision precision) noexcept {
  const auto* row = std::ranges::find(kGrids, precision, &Grid::precision);
  return row == kGrids.end() ? nullptr : row;
}

int nearest_code(const Grid& grid, float w, float scale) noexcept {
  if (scale == 0) return 0;
  const float clamped =
      std::min(std::max(w * (1.0f / scale), static_cast<float>(grid.least)), static_cast<float>(grid.most));
  return static_cast<int>((clamped + kRound) - kRound);
}

float fit_scale(const Grid& grid, ScaleRule rule, std::span<const float> w,
                std::span<const float> importance) {
  if (grid.precision == Precision::Ternary) {
    return to_f16(rule == ScaleRule::Extreme
                      ? absmean(w)
                      : choose_ternary(TernaryRule::WeightedLeastSquares, w, importance).scale);
  }
  if (rule == ScaleRule::LeastSquares) return to_f16(fit_among(grid, w, importance));
  const float extreme = extreme_of(w);
  const int end = -grid.least > grid.most ? grid.least : grid.most;
  return to_f16(grid.least == -grid.most ? std::abs(extreme) / static_cast<float>(end)
                                         : extreme / static_cast<float>(end));
}

void nearest_codes(const Grid& grid, std::span<const float> w, float scale, std::int8_t* codes) noexcept {
  const float inverse = scale == 0 ? 0.0f : 1.0f / scale;
  const auto least = static_cast<float>(grid.least);
  const auto most = static_cast<float>(grid.most);
  for (std::size_t i = 0; i < w.size(); ++i) {
    const float clamped = std::min(std::max(w[i] * inverse, least), most);
    codes[i] = static_cast<std::int8_t>((clamped + kRound) - kRound);
  }
}

GroupFit fit_group(const Grid& grid, const GroupRules& rules, std::span<const float> w,
                   std::span<const float> importance) {
  if (grid.precision != Precision::Ternary || !rules.ternary)
    return {fit_scale(grid, rules.scale, w, importance), {}};
  const TernaryChoice choice = choose_ternary(*rules.ternary, w, importance);
  return {to_f16(choice.scale), choice.threshold};
}

int code_of(const Grid& grid, float w, const GroupFit& fit) noexcept {
  return fit.threshold ? quant::trit_of(w, *fit.threshold) : nearest_code(grid, w, fit.scale);
}

void codes_of(const Grid& grid, std::span<const float> w, const GroupFit& fit, std::int8_t* codes) noexcept {
  if (!fit.threshold) return nearest_codes(grid, w, fit.scale, codes);
  quant::loops().ternarize(w.data(), w.size(), *fit.threshold, codes);
}

void encode_row(DType dtype, std::span<const std::int8_t> codes, std::span<const float> scales,
                std::byte* out) {
  const auto& block = info(dtype);
  if (const Packing* packing = find_packing(dtype)) {
    TernaryMatrix row{1, codes.size(), {codes.begin(), codes.end()}, {}};
    row.scales = {ScaleGrain::Block, {scales.begin(), scales.end()}, block.block_elements};
    packing->pack(row, {}, MutableBytes(out, *storage_bytes(dtype, 1, codes.size())));
    return;
  }
  const auto* encoder = std::ranges::find(kEncoders, dtype, &Encoder::dtype);
  for (std::size_t i = 0; i < scales.size(); ++i, out += block.block_bytes) {
    encoder->block(codes.data() + i * block.block_elements, scales[i], out);
  }
}

std::vector<float> values_of(const GridMatrix& matrix) {
  std::vector<float> values(matrix.codes.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(matrix.codes[i]) * matrix.scales[i / matrix.group];
  }
  return values;
}

}  // namespace sterna
