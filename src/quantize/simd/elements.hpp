// One element of each loop: the reference, and the end of a row in vectors.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "quantize/simd/loops.hpp"
#include "tensor/random/philox.hpp"

namespace sterna::quant {

/// Bits whose order as integers is that of magnitudes: infinity above all numbers, NaN above infinity.
inline std::uint32_t magnitude_bits(float x) {
  return std::bit_cast<std::uint32_t>(x) & 0x7fffffffu;
}

inline Extremes widened(Extremes seen, float x) {
  return {x < seen.least ? x : seen.least, x > seen.most ? x : seen.most};
}

inline std::int8_t trit_of(float x, float threshold) {
  return static_cast<std::int8_t>((x > threshold) - (x < -threshold));
}

inline std::int8_t sign_of(float x) {
  return x < 0 ? std::int8_t{-1} : std::int8_t{1};
}

inline float clamped(float x, const CodeGrid& grid) {
  float v = x * grid.inverse;
  v = v > grid.least ? v : grid.least;  // NaN becomes the least
  return v < grid.most ? v : grid.most;
}

inline std::int8_t code_of(float x, const CodeGrid& grid) {
  return static_cast<std::int8_t>(std::lrint(clamped(x, grid)) + grid.zero);
}

inline std::int8_t code_of(float x, const CodeGrid& grid, float unit) {
  const float v = clamped(x, grid);
  const auto whole = static_cast<std::int32_t>(v);
  const std::int32_t down = whole - (v < static_cast<float>(whole));
  const bool up = v - static_cast<float>(down) > unit;
  return static_cast<std::int8_t>(down + up + grid.zero);
}

inline float value_of(std::int8_t code, float scale, std::int32_t zero) {
  return static_cast<float>(code - zero) * scale;
}

/// Four units: elements 4 · block … 4 · block + 3.
inline std::array<float, 4> units_of(std::uint64_t seed, std::uint64_t block) {
  const auto words =
      random::philox_block({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), 0, 0},
                           {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  std::array<float, 4> units{};
  for (std::size_t i = 0; i < 4; ++i) units[i] = static_cast<float>(words[i] >> 8) * 0x1p-24f;
  return units;
}

/// The units of elements [first, first + n), block by block.
inline void fill_units(std::uint64_t seed, std::uint64_t first, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n;) {
    const auto units = units_of(seed, (first + i) / 4);
    for (std::size_t k = (first + i) % 4; k < 4 && i < n; ++k) out[i++] = units[k];
  }
}

}  // namespace sterna::quant
