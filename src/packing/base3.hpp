// Five trits in a byte, as TQ1_0 and IQ1_BN store them.
//
// The digits d₀ … d₄ (trit + 1) are a fraction in base 3, f = Σ dᵢ · 3^-(i+1) < 1, and the byte is
// ⌈f · 256⌉ = ⌈v · 256 / 243⌉ with v = Σ dᵢ · 3^(4-i). Multiplying the byte by 3^i modulo 256 moves digit i
// to the front, and the high byte of three times that is the digit: no division to decode. Every byte decodes
// to five digits; 243 of the 256 are written.
#pragma once

#include <array>
#include <cstdint>

namespace sterna::packing {

inline constexpr std::array<std::uint8_t, 5> kPowersOf3{1, 3, 9, 27, 81};

/// The digit that a multiplication by `power` (of 3) brings to the front.
constexpr unsigned base3_digit(std::uint8_t byte, std::uint8_t power) {
  const auto fraction = static_cast<std::uint8_t>(byte * power);
  return static_cast<unsigned>(fraction) * 3 >> 8;
}

/// The byte of v < 243: ⌈v · 256 / 243⌉ = v + ⌈v · 13 / 243⌉.
constexpr std::uint8_t base3_byte(unsigned v) {
  return static_cast<std::uint8_t>(v + (v * 13 + 242) / 243);
}

}  // namespace sterna::packing
