// What the coarse kernels of a screened head are handed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sterna {

/// out[r − row_begin] = Σ_k m_r(k / 32) · (2 · code(r, k) − 15) · p[k] for r in [row_begin, row_end), exact,
/// with p = kScreenBase · high + low.
///
/// A row is cols / 2 bytes of codes, 0 … 15, and a multiplier m, 0 … kMostMultiplier, for each block of 32
/// columns. Blocks 2i and 2i + 1 are the low and the high bits of bytes 32i … 32i + 31. `high` and `low` have
/// the columns of all even blocks first, then those of the odd ones.
struct ScreenArgs {
  const std::uint8_t* rows;  ///< row r starts at rows + r · stride
  std::size_t stride;        ///< bytes
  std::size_t cols;          ///< a multiple of kScreenGroup, at most kMostScreenCols
  const std::int8_t* high;   ///< [cols], [−127, 127] as low is
  const std::int8_t* low;
  const std::int16_t* high_sums;  ///< [screen_multipliers(cols)]: Σ high of block b, and zeros
  const std::int16_t* low_sums;
  std::size_t row_begin;
  std::size_t row_end;
  std::int64_t* out;
};

inline constexpr std::size_t kScreenBlock = 32;
inline constexpr std::size_t kScreenGroup = 128;  // in the widest vector of codes
inline constexpr std::int32_t kScreenBase = 128;
inline constexpr int kMostMultiplier = 63;
/// 15 · 127 · 63 · 2^14 < 2^31: Σ m · code · high fits int32, and so does that of low.
inline constexpr std::size_t kMostScreenCols = std::size_t{1} << 14;

/// Bytes of a row's multipliers: zeros to whole vectors of 16-bit numbers.
constexpr std::size_t screen_multipliers(std::size_t cols) {
  return (cols / kScreenBlock + 31) / 32 * 32;
}

}  // namespace sterna
