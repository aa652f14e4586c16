// A number that stands for the content of bytes.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace sterna {

/// 128 bits. Different contents that are not made to agree have the same with a probability of about 2^-128;
/// it is no cryptographic hash.
struct ContentHash {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  bool operator==(const ContentHash&) const = default;
};

/// The same on every machine. Four words at a time, each in a lane of its own where every step is one to one,
/// so that a change of one word cannot vanish; then the lanes and the length are mixed.
inline ContentHash content_hash(Bytes bytes) noexcept {
  // Odd, half of their bits set: of the golden ratio and of square roots of primes.
  constexpr std::uint64_t kOdd[4] = {0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B,
                                     0xA54FF53A5F1D36F1};
  std::uint64_t lanes[4] = {kOdd[3], kOdd[2], kOdd[1], kOdd[0]};
  const auto step = [&](const std::byte* at) {
    for (std::size_t i = 0; i < 4; ++i) {
      lanes[i] = (lanes[i] ^ load_unaligned<std::uint64_t>(at + 8 * i)) * kOdd[i];
      lanes[i] ^= lanes[i] >> 32;
    }
  };
  std::size_t at = 0;
  for (; at + 32 <= bytes.size(); at += 32) step(bytes.data() + at);
  if (at < bytes.size()) {
    std::byte rest[32] = {};
    std::memcpy(rest, bytes.data() + at, bytes.size() - at);
    step(rest);
  }
  std::uint64_t mixed[2] = {bytes.size(), ~bytes.size()};
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t j = 0; j < 2; ++j) {
        mixed[j] = (mixed[j] ^ lanes[i]) * kOdd[(i + j) % 4];
        mixed[j] ^= mixed[j] >> (29 + 4 * j);
      }
    }
  }
  return {mixed[0], mixed[1]};
}

}  // namespace sterna
