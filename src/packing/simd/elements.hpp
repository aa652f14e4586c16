// One byte of each loop: the reference, and the end of a group in vectors.
#pragma once

#include <cstddef>
#include <cstdint>

#include "packing/base3.hpp"

namespace sterna::packing {

/// 8 / Bits codes in a byte, value + Bias, the first one in the highest or the lowest bits.
template <unsigned Bits, int Bias, bool FirstHighest>
struct BitCodes {
  static constexpr int kBias = Bias;
  static constexpr std::size_t kCodes = 8 / Bits;
  static constexpr unsigned kMask = (1u << Bits) - 1;
  static constexpr unsigned shift(std::size_t i) {
    return Bits * static_cast<unsigned>(FirstHighest ? kCodes - 1 - i : i);
  }

  static std::uint8_t pack(const std::int8_t* values, std::size_t stride) {
    unsigned byte = 0;
    for (std::size_t i = 0; i < kCodes; ++i) {
      byte |= static_cast<unsigned>(static_cast<std::uint8_t>(values[i * stride] + Bias)) << shift(i);
    }
    return static_cast<std::uint8_t>(byte);
  }
  static void unpack(std::uint8_t byte, std::size_t stride, std::int8_t* values) {
    for (std::size_t i = 0; i < kCodes; ++i) {
      values[i * stride] = static_cast<std::int8_t>(static_cast<int>(byte >> shift(i) & kMask) - Bias);
    }
  }
};
using Trits2High = BitCodes<2, 1, true>;
using Trits2Low = BitCodes<2, 1, false>;
using Nibbles = BitCodes<4, 8, false>;

struct Base3 {
  static constexpr std::size_t kCodes = kPowersOf3.size();

  static std::uint8_t pack(const std::int8_t* values, std::size_t stride) {
    std::uint8_t v = 0;
    for (std::size_t i = 0; i < kCodes; ++i) v = static_cast<std::uint8_t>(v * 3 + values[i * stride] + 1);
    return base3_byte(v);
  }
  static void unpack(std::uint8_t byte, std::size_t stride, std::int8_t* values) {
    for (std::size_t i = 0; i < kCodes; ++i) {
      values[i * stride] = static_cast<std::int8_t>(static_cast<int>(base3_digit(byte, kPowersOf3[i])) - 1);
    }
  }
};

}  // namespace sterna::packing
