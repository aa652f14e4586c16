// I2_S as kernels read it when weights are repacked: every row padded with zeros to whole groups of 128.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/checked.hpp"

namespace sterna {

inline constexpr std::uint64_t kI2sGroup = 128;  // weights in 32 bytes: a vector register

constexpr std::size_t i2s_row_bytes(std::uint64_t cols) noexcept {
  return ceil_div(cols, kI2sGroup) * (kI2sGroup / 4);
}

/// Byte p of a group is c[p] << 6 | c[p + 32] << 4 | c[p + 64] << 2 | c[p + 96] with c = trit + 1. Writes
/// i2s_row_bytes(cols).
inline void pack_i2s_row(const std::int8_t* trits, std::uint64_t cols, std::uint8_t* out) noexcept {
  for (std::uint64_t at = 0; at < cols; at += kI2sGroup, out += kI2sGroup / 4) {
    for (std::uint64_t p = 0; p < kI2sGroup / 4; ++p) {
      unsigned byte = 0;
      for (std::uint64_t plane = 0; plane < 4; ++plane) {
        const std::uint64_t k = at + plane * (kI2sGroup / 4) + p;
        const int trit = k < cols ? trits[k] : 0;
        byte = byte << 2 | static_cast<unsigned>(trit + 1);
      }
      out[p] = static_cast<std::uint8_t>(byte);
    }
  }
}

}  // namespace sterna
