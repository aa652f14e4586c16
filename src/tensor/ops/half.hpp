// Half floats to and from F32, many at once, and the one intermediate rounding that is safe before them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace sterna::ops {

/// As base/half.hpp converts, with the widest instructions this processor has.
void f16_to_f32_loop(const void* in, void* out, std::size_t n);
void f32_to_f16_loop(const void* in, void* out, std::size_t n);
void bf16_to_f32_loop(const void* in, void* out, std::size_t n);
void f32_to_bf16_loop(const void* in, void* out, std::size_t n);

/// A double rounded to float "to odd": cut off, and the last bit set when anything was lost. Rounding that to
/// a half float gives what rounding the double would; rounding to nearest twice may not (Boldo & Melquiond
/// 2008).
inline float to_odd_float(double value) {
  const auto nearest = static_cast<float>(value);
  const double back = nearest;
  if (back == value || value != value) return nearest;
  auto bits = std::bit_cast<std::uint32_t>(nearest);
  const bool away = (back < 0 ? -back : back) > (value < 0 ? -value : value);
  if (away) bits -= 1;  // towards zero
  return std::bit_cast<float>(bits | 1u);
}

}  // namespace sterna::ops
