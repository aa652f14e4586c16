// The sizes blocks come in.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace sterna::pool {

/// The unit of spans and runs. It divides every class from 64 KiB on, so that those waste no page.
inline constexpr std::size_t kUnit = std::size_t{8} << 10;
/// Smaller blocks are places in a span, larger ones a run of units each.
inline constexpr std::size_t kLargestSlot = std::size_t{64} << 10;
/// From here on blocks come from the arenas of large blocks.
inline constexpr std::size_t kLargeFrom = std::size_t{1} << 20;
/// The largest class: blocks beyond it are not cached, and rounded to units only.
inline constexpr std::size_t kLargestClass = std::size_t{8} << 20;

// 16, 32, … 128, then eight to a doubling: 144, 160, … 256, 288, …
inline constexpr unsigned kFirstClasses = 8;
inline constexpr unsigned kClasses = kFirstClasses + 8 * (23 - 7);
inline constexpr unsigned kNoClass = kClasses;  // a block beyond the classes

/// The class of the smallest blocks that hold n bytes, 1 ≤ n ≤ kLargestClass.
constexpr unsigned class_of(std::size_t n) noexcept {
  if (n <= 128) return static_cast<unsigned>((n - 1) / 16);
  const auto log2 = static_cast<unsigned>(std::bit_width(n - 1)) - 1;
  return kFirstClasses + (log2 - 7) * 8 + static_cast<unsigned>((n - 1) >> (log2 - 3)) - 8;
}

/// A row of the table of size classes.
struct SizeClass {
  std::uint32_t bytes;     ///< of a block
  std::uint16_t units;     ///< of a span
  std::uint16_t slots;     ///< blocks in a span
  std::uint16_t capacity;  ///< blocks that a thread caches
  std::uint16_t batch;     ///< blocks that move between a thread and the pool at once
};

/// What a span's bit map can hold.
inline constexpr std::size_t kMaxSlots = 1024;

constexpr SizeClass size_class(unsigned c) noexcept {
  const std::size_t bytes =
      c < kFirstClasses ? 16 * (c + 1) : (9 + (c - kFirstClasses) % 8) << (4 + (c - kFirstClasses) / 8);
  std::size_t units = bytes / kUnit;
  if (bytes <= kLargestSlot) {
    // At most kMaxSlots of them; then the first length whose end is less than a sixteenth.
    units = std::size_t{8} * kUnit / bytes > kMaxSlots ? kMaxSlots * bytes / kUnit : 8;
    while (units * kUnit % bytes * 16 > units * kUnit) ++units;
  }
  // 128 KiB of each class, but enough of small ones to work without locks, and of large ones to reuse the
  // last.
  const std::size_t capacity = bytes <= 1024        ? 128
                               : bytes < kLargeFrom ? (std::size_t{128} << 10) / bytes
                                                    : 2;
  const std::size_t clamped = capacity > 128 ? 128 : capacity < 4 && bytes < kLargeFrom ? 4 : capacity;
  const std::size_t batch = bytes > kLargestSlot ? 1 : clamped / 4;
  return {static_cast<std::uint32_t>(bytes), static_cast<std::uint16_t>(units),
          static_cast<std::uint16_t>(bytes <= kLargestSlot ? units * kUnit / bytes : 1),
          static_cast<std::uint16_t>(clamped), static_cast<std::uint16_t>(batch)};
}

inline constexpr std::array<SizeClass, kClasses> kSizeClasses = [] {
  std::array<SizeClass, kClasses> table{};
  for (unsigned c = 0; c < kClasses; ++c) table[c] = size_class(c);
  return table;
}();
static_assert(kSizeClasses[kClasses - 1].bytes == kLargestClass);

}  // namespace sterna::pool
