// From an address to the span it lies in, for all pools of the process.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "memory/pool/span.hpp"

namespace sterna::pool {

/// Two levels, without a lock: a table of leaves, each for a gibibyte of addresses. Of a large block only the
/// first and the last unit are entered.
class PageMap {
 public:
  static Span* find(const void* address) noexcept {
    const std::uintptr_t unit = reinterpret_cast<std::uintptr_t>(address) / kUnit;
    if (unit / kLeafUnits >= kLeaves) return nullptr;
    const Leaf* leaf = leaves_[unit / kLeafUnits].load(std::memory_order_acquire);
    return leaf == nullptr ? nullptr : leaf->spans[unit % kLeafUnits].load(std::memory_order_relaxed);
  }
  /// Makes room for entries; false when the system has no memory for them. Safe in several threads.
  static bool cover(const std::byte* base, std::size_t bytes) noexcept;
  /// Enters a span, or null, for one unit, or for all from the first to the last.
  static void set(const std::byte* at, Span* span) noexcept {
    entry(at).store(span, std::memory_order_relaxed);
  }
  static void set_all(const std::byte* base, std::size_t units, Span* span) noexcept {
    for (std::size_t i = 0; i < units; ++i) set(base + i * kUnit, span);
  }
  /// First and last unit.
  static void set_ends(Span* span) noexcept {
    set(span->base, span);
    set(span->base + (span->units - 1) * kUnit, span);
  }
  static void clear_ends(const Span* span) noexcept {
    set(span->base, nullptr);
    set(span->base + (span->units - 1) * kUnit, nullptr);
  }

 private:
  // 48 bits of address, which is what systems hand out without being asked for more.
  static constexpr std::size_t kLeafUnits = std::size_t{1} << 17;
  static constexpr std::size_t kLeaves = std::size_t{1} << (48 - 13 - 17);
  struct Leaf {
    std::atomic<Span*> spans[kLeafUnits];
  };

  static std::atomic<Span*>& entry(const std::byte* at) noexcept {
    const std::uintptr_t unit = reinterpret_cast<std::uintptr_t>(at) / kUnit;
    return leaves_[unit / kLeafUnits].load(std::memory_order_relaxed)->spans[unit % kLeafUnits];
  }

  static constinit std::atomic<Leaf*> leaves_[kLeaves];
};

}  // namespace sterna::pool
