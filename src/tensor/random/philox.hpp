// Philox 4x32-10, inline: what fills a tensor runs it once for every two elements.
#pragma once

#include <array>
#include <cstdint>

namespace sterna::random {

inline std::array<std::uint32_t, 4> philox_block(std::array<std::uint32_t, 4> counter,
                                                 std::array<std::uint32_t, 2> key) noexcept {
  constexpr std::uint64_t kMultipliers[] = {0xd2511f53, 0xcd9e8d57};  // the paper's, found by search
  constexpr std::uint32_t kWeyl[] = {0x9e3779b9, 0xbb67ae85};         // golden ratio − 1, √3 − 1
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t a = kMultipliers[0] * counter[0];
    const std::uint64_t b = kMultipliers[1] * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += kWeyl[0];
    key[1] += kWeyl[1];
  }
  return counter;
}

}  // namespace sterna::random
