// The freed blocks that one thread keeps for its next allocations, and what it counted.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "memory/pool/size_classes.hpp"
#include "platform/pages.hpp"

// The thread sanitizer knows no fences.
#if defined(__SANITIZE_THREAD__)
#define STERNA_POOL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STERNA_POOL_TSAN 1
#endif
#endif

namespace sterna::pool {

/// What a thread caches of one pool: four of the largest promised blocks.
inline constexpr std::uint64_t kMaxCached = std::uint64_t{16} << 20;

/// Adds to a number that only this thread writes and others read.
template <class T>
inline void add_alone(std::atomic<T>& number, T n) noexcept {
  number.store(number.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

/// Its thread owns it without a lock. Another may claim it: it raises `claimed`, sees that every processor
/// knows (heavy_barrier), and waits until `busy` falls. The thread meanwhile does without its cache. The two
/// flags are Dekker's; the barrier on the frequent side is the compiler's alone where the system offers the
/// heavy one.
class ThreadCache {
 public:
  struct Bin {
    std::uint32_t count = 0;
    std::uint32_t capacity = 0;
    void** blocks = nullptr;
    std::atomic<std::uint64_t> allocations{0};  // by this thread, through the cache or not
    std::atomic<std::uint64_t> frees{0};
  };

  /// In fresh pages of its own. Null when the system has none.
  static ThreadCache* make() noexcept;
  static void destroy(ThreadCache* cache) noexcept;

  /// The thread's side: false while somebody else has the cache.
  bool enter() noexcept {
#ifdef STERNA_POOL_TSAN
    busy_.exchange(1, std::memory_order_seq_cst);
#else
    busy_.store(1, std::memory_order_relaxed);
    if (light_) [[likely]] {
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      std::atomic_thread_fence(std::memory_order_seq_cst);
    }
#endif
    if (claimed_.load(std::memory_order_acquire) == 0) [[likely]]
      return true;
    leave();
    return false;
  }
  void leave() noexcept {
    busy_.store(0, std::memory_order_release);
  }

  /// The other side, in three steps: claim() all caches, heavy_barrier() once, then wait for each; false when
  /// its thread is stuck in an operation. unclaim() in any case.
  void claim() noexcept {
    claimed_.store(1, std::memory_order_seq_cst);
  }
  bool wait_until_left() noexcept;
  void unclaim() noexcept {
    claimed_.store(0, std::memory_order_release);
  }

  // Of whoever owns the cache at the moment; the atomic numbers may be read by all.
  std::array<Bin, kClasses> bins;
  std::atomic<std::uint64_t> cached_bytes{0};
  std::int64_t uncounted_bytes = 0;  // not yet added to the pool's sum
  ThreadCache* next = nullptr;       // among the pool's

 private:
  ThreadCache() = default;

  bool light_ = has_heavy_barrier();
  std::atomic<std::uint32_t> busy_{0};
  std::atomic<std::uint32_t> claimed_{0};
};

}  // namespace sterna::pool
