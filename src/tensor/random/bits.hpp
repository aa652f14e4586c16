// The random bits of one draw, by place.
#pragma once

#include <array>
#include <cstdint>

#include "tensor/random/philox.hpp"

namespace sterna::random {

/// Two 64-bit numbers for each block; element i of a tensor has number i mod 2 of block ⌊i / 2⌋.
class Bits {
 public:
  Bits(std::uint64_t seed, std::uint32_t draw) noexcept
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}, draw_(draw) {}

  std::array<std::uint64_t, 2> block(std::uint64_t at, std::uint32_t attempt = 0) const noexcept {
    const auto words = philox_block(
        {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at >> 32), attempt, draw_}, key_);
    return {words[0] | std::uint64_t{words[1]} << 32, words[2] | std::uint64_t{words[3]} << 32};
  }
  std::uint64_t number(std::uint64_t i, std::uint32_t attempt = 0) const noexcept {
    return block(i / 2, attempt)[i % 2];
  }

  /// Element i in [0, range), each as likely; range > 0. The high half of number·range is even but for the
  /// numbers whose low half is below 2^64 mod range: those are rejected, and the next attempt's counter gives
  /// another.
  std::uint64_t below(std::uint64_t range, std::uint64_t i) const noexcept {
    return below(range, i, number(i));
  }
  /// The same for who has the element's number already.
  std::uint64_t below(std::uint64_t range, std::uint64_t i, std::uint64_t number_of_i) const noexcept {
    auto product = static_cast<unsigned __int128>(number_of_i) * range;
    if (static_cast<std::uint64_t>(product) < range) {
      const std::uint64_t rejected = (0 - range) % range;
      for (std::uint32_t attempt = 1; static_cast<std::uint64_t>(product) < rejected; ++attempt)
        product = static_cast<unsigned __int128>(number(i, attempt)) * range;
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

 private:
  std::array<std::uint32_t, 2> key_;
  std::uint32_t draw_;
};

/// A multiple of 2^−53 in [0, 1).
inline double unit(std::uint64_t bits) noexcept {
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace sterna::random
