// Runs of units from arenas, with free neighbours joined: the large blocks, and the spans of small ones.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "memory/pool/span.hpp"
#include "sterna/memory.hpp"

namespace sterna::pool {

/// A mapping of the system's that runs are cut from.
struct Arena {
  std::byte* base = nullptr;
  std::size_t units = 0;
  std::size_t used_units = 0;
  Arena* previous = nullptr;
  Arena* next = nullptr;
};

/// What the heaps of one pool hold together, against the pool's limit.
class Budget {
 public:
  explicit Budget(std::uint64_t limit) noexcept : limit_(limit) {}
  /// Adds to what is held, unless that would pass the limit.
  bool take(std::uint64_t bytes) noexcept {
    std::uint64_t held = held_.load(std::memory_order_relaxed);
    do {
      const std::uint64_t limit = limit_.load(std::memory_order_relaxed);
      if (limit != 0 && (held > limit || bytes > limit - held)) return false;
    } while (!held_.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
    std::uint64_t peak = peak_.load(std::memory_order_relaxed);
    while (peak < held + bytes &&
           !peak_.compare_exchange_weak(peak, held + bytes, std::memory_order_relaxed)) {
    }
    return true;
  }
  void give(std::uint64_t bytes) noexcept { held_.fetch_sub(bytes, std::memory_order_relaxed); }
  void set_limit(std::uint64_t bytes) noexcept { limit_.store(bytes, std::memory_order_relaxed); }
  std::uint64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
  std::uint64_t held() const noexcept { return held_.load(std::memory_order_relaxed); }
  std::uint64_t peak() const noexcept { return peak_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> limit_;
  std::atomic<std::uint64_t> held_{0};
  std::atomic<std::uint64_t> peak_{0};
};

struct HeapSettings {
  const void* owner = nullptr;
  HugePages huge_pages = HugePages::Never;
  bool lock = false;
  int numa_node = -1;  // −1: any
  std::uint64_t retain = 0;
};

struct HeapStats {
  std::uint64_t reserved = 0;
  std::uint64_t used = 0;
  std::uint64_t free_dirty = 0;
  std::uint64_t largest_free = 0;
};

/// Free runs are clean (zeros, no memory behind them) or dirty, and only those of one kind are joined: so
/// what is held is known exactly, and fresh memory need not be cleared. When neither kind has a run long
/// enough, the dirty ones are given back, which makes them clean, and joins them.
class ArenaHeap {
 public:
  ArenaHeap(const HeapSettings& settings, Budget& budget) noexcept : settings_(settings), budget_(budget) {}
  ~ArenaHeap();
  ArenaHeap(const ArenaHeap&) = delete;
  ArenaHeap& operator=(const ArenaHeap&) = delete;

  /// A used run of `units` at a multiple of `alignment` (a power of two). Null when the limit or the system's
  /// memory is reached. `every_unit`: addresses inside the run will be looked up.
  Span* allocate(std::size_t units, std::size_t alignment, unsigned size_class, bool every_unit);
  void free(Span* span) noexcept;
  /// Gives the memory of free runs back, and the addresses of empty arenas.
  void release() noexcept;
  HeapStats stats() const;
  bool locked() const noexcept { return settings_.lock; }

 private:
  // One each for 1 … 8 units, then eight to a doubling, up to 2^40 units.
  static constexpr unsigned kBins = 8 + 8 * (41 - 3);
  static unsigned bin_of(std::size_t units) noexcept {
    if (units <= 8) return static_cast<unsigned>(units - 1);
    const auto log2 = static_cast<unsigned>(std::bit_width(units)) - 1;
    return 8 + 8 * (log2 - 3) + static_cast<unsigned>(units >> (log2 - 3)) - 8;
  }
  struct FreeRuns {
    std::array<SpanList, kBins> bins;
    std::array<std::uint64_t, (kBins + 63) / 64> occupied{};
  };

  FreeRuns& runs_of(Span::State state) noexcept { return state == Span::State::Dirty ? dirty_ : clean_; }
  void insert(Span* run) noexcept;
  void remove(Span* run) noexcept;
  Span* find(const FreeRuns& runs, std::size_t units, std::size_t alignment) const noexcept;
  Span* grow(std::size_t units, std::size_t alignment);
  void reserve_spans();
  Span* new_span() noexcept;
  void retire(Span* span) noexcept;
  void cut(Span* run, std::size_t units, std::size_t alignment);
  void ask_for_huge_pages(const Span* run) const noexcept;
  Span* join(Span* run) noexcept;
  void discard(Span* run) noexcept;
  void discard_all() noexcept;
  void drop(Arena* arena) noexcept;
  void unmap(Arena* arena) noexcept;

  const HeapSettings settings_;
  Budget& budget_;
  mutable std::mutex mutex_;
  FreeRuns clean_, dirty_;
  std::uint64_t dirty_bytes_ = 0;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t reserved_ = 0;
  Arena* arenas_ = nullptr;
  std::vector<std::unique_ptr<Span[]>> span_blocks_;
  SpanList unused_spans_;
  std::size_t unused_count_ = 0;
};

}  // namespace sterna::pool
