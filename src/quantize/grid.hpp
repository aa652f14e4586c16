// What the storage types of quantised weights have in common: small integers times one scale for each group
// of a row. One row for each precision.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sterna/dtype.hpp"
#include "sterna/precision.hpp"

namespace sterna {

/// ŵ = code · scale, code an integer in [least, most], one f16 scale (of either sign) for every `group`
/// weights of a row.
struct Grid {
  Precision precision;
  DType dtype;          ///< as GGUF stores it (docs/packings.md)
  std::uint32_t group;  ///< weights that share a scale: the block of the dtype
  int least;
  int most;
};

/// ternary TQ1_0 (and TQ2_0, of the same grid), int2 Q2_0, int4 Q4_0, int8 Q8_0.
std::span<const Grid> grids() noexcept;
/// Null for F16, which has none.
const Grid* grid_of(Precision precision) noexcept;

/// Nearest code to w / scale, half to even, clamped to the grid; 0 for a scale of 0.
int nearest_code(const Grid& grid, float w, float scale) noexcept;

/// How a group's scale is found.
enum class ScaleRule : std::uint8_t {
  Extreme,  ///< the largest magnitude falls on the end of the grid, as ggml's reference quantisers do;
            ///< ternary: absmean of the group
  LeastSquares,  ///< least Σ importance·(w − ŵ)² among scales near that, each refined by regression; ternary:
                 ///< exact
};

/// How groups become codes.
struct GroupRules {
  ScaleRule scale = ScaleRule::LeastSquares;
  /// Of ternary groups instead, whose trits then are above the rule's threshold (quantize/ternary.hpp); none:
  /// the nearest to w / scale.
  std::optional<TernaryRule> ternary{};
};
/// A group's scale, rounded to f16; and the magnitude up to which its weights become 0, where a rule has one.
struct GroupFit {
  float scale = 0;
  std::optional<float> threshold{};
};
/// Throws as fit_scale.
GroupFit fit_group(const Grid& grid, const GroupRules& rules, std::span<const float> w,
                   std::span<const float> importance);
int code_of(const Grid& grid, float w, const GroupFit& fit) noexcept;
void codes_of(const Grid& grid, std::span<const float> w, const GroupFit& fit, std::int8_t* codes) noexcept;

/// The scale of a group, rounded to f16. `importance` [group] weighs the squared errors; empty: all 1.
/// Weights are finite. Throws Mismatch for weights whose scale f16 cannot hold.
float fit_scale(const Grid& grid, ScaleRule rule, std::span<const float> w,
                std::span<const float> importance);

/// The codes of a group for a scale.
void nearest_codes(const Grid& grid, std::span<const float> w, float scale, std::int8_t* codes) noexcept;

/// A row's codes [cols] and scales [cols / group] as `dtype` (of the grid's; TQ2_0 for ternary too) stores
/// them; `out` has storage_bytes(dtype, 1, cols). Reading it back gives code · scale exactly. A group of
/// zeros has the scale 0 in ternary types, as their owners store it.
void encode_row(DType dtype, std::span<const std::int8_t> codes, std::span<const float> scales,
                std::byte* out);

/// A quantised matrix: ŵ[r, c] = codes[r, c] · scales[r, c / group].
struct GridMatrix {
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  std::uint32_t group = 0;         ///< divides cols
  std::vector<std::int8_t> codes;  ///< [rows, cols]
  std::vector<float> scales;       ///< [rows, cols / group]

  float value(std::uint64_t row, std::uint64_t col) const {
    return static_cast<float>(codes[row * cols + col]) * scales[(row * cols + col) / group];
  }
};

/// ŵ [rows, cols].
std::vector<float> values_of(const GridMatrix& matrix);

}  // namespace sterna
