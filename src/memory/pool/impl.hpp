// The inside of HybridMemoryPool: which part serves a request, and who counts it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "memory/pool/arena_heap.hpp"
#include "memory/pool/slots.hpp"
#include "memory/pool/thread_cache.hpp"
#include "memory/pool/threads.hpp"
#include "memory/tracking/tracker.hpp"
#include "sterna/memory.hpp"

namespace sterna {

class HybridMemoryPool::Impl {
  // A thread adds its change of the live bytes to the pool's sum, which all share, at this size: twice the
  // largest block that must not wait for others.
  static constexpr std::int64_t kCountedAt = std::int64_t{8} << 20;

 public:
  explicit Impl(PoolOptions options);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void* allocate(std::size_t bytes, std::size_t alignment, MemoryTag tag);
  void* allocate_zeroed(std::size_t bytes, std::size_t alignment, MemoryTag tag);
  void deallocate(void* block) noexcept;
  std::uint64_t trim(Trim what);

  const std::string& name() const noexcept { return options_.name; }
  PoolStats stats() const;
  void set_limit(std::uint64_t bytes) noexcept { budget_.set_limit(bytes); }
  TrackingLevel tracking() const noexcept { return level_.load(std::memory_order_relaxed); }
  void set_tracking(TrackingLevel level);
  MemoryReport report() const;
  MemoryUsage usage() const;
  const tracking::Tracker& tracker() const noexcept { return tracker_; }

  /// The thread that owns the cache ends.
  void detach(pool::ThreadCache* cache) noexcept;

 private:
  friend HybridMemoryPool::Registry;
  struct Counts {
    std::atomic<std::uint64_t> allocations{0};
    std::atomic<std::uint64_t> frees{0};
  };

  // below: everywhere
  pool::ThreadCache* enter() const noexcept;
  void count(pool::ThreadCache* cache, unsigned size_class, std::int64_t bytes) noexcept;

  // hybrid_pool.cpp: the frequent ways
  void* allocate_block(std::size_t bytes, std::size_t alignment);
  void* allocate_tracked(std::size_t bytes, std::size_t alignment, MemoryTag tag);
  void free_block(pool::Span* span, void* block) noexcept;
  void add_live(std::int64_t bytes) noexcept;

  // slow_paths.cpp: all others
  void* allocate_slow(std::size_t bytes, std::size_t alignment);
  void* allocate_small(unsigned size_class);
  pool::Span* allocate_run(std::size_t units, std::size_t alignment, unsigned size_class);
  void make_room(pool::ThreadCache* cache, unsigned size_class) noexcept;
  void give(unsigned size_class, void* const* blocks, std::size_t count) noexcept;
  void empty(pool::ThreadCache* cache) noexcept;
  void reclaim_caches() noexcept;
  void settle() noexcept;
  [[noreturn]] void out_of_memory(std::size_t bytes) const;
  void complain(const void* block) const noexcept;
  pool::ArenaHeap& heap_of(std::size_t block_bytes) noexcept {
    return block_bytes < pool::kLargeFrom ? small_ : large_;
  }

  // threads.cpp: the caches of threads, and the pools that a thread's end must find
  pool::ThreadCache* attach() noexcept;
  void enlist();
  void delist() noexcept;

  // reporting.cpp
  std::vector<MemoryReport::SizeClass> usage_by_class() const;

  PoolOptions options_;
  const bool counting_;
  std::atomic<TrackingLevel> level_;
  std::atomic<bool> watched_;     // some blocks may be on the tracker's list
  std::atomic<bool> complete_;    // every live block is
  std::uint64_t generation_ = 0;  // no other pool of the process ever has it
  std::size_t index_ = 0;         // the pool's place in every thread's table of caches

  pool::Budget budget_;
  pool::ArenaHeap small_, large_;
  std::array<pool::Slots, pool::class_of(pool::kLargestSlot) + 1> slots_;

  mutable std::mutex caches_mutex_;
  pool::ThreadCache* caches_ = nullptr;
  std::array<Counts, pool::kClasses + 1> counts_;  // of threads that ended, or had no cache at the moment
  std::atomic<std::uint64_t> unclassed_bytes_{0};  // alive, of blocks beyond the classes
  std::atomic<std::int64_t> live_bytes_{0};        // but for what caches have not added yet
  std::atomic<std::int64_t> peak_bytes_{0};
  tracking::Tracker tracker_;
};

/// This thread's cache, entered; null when it has none, or somebody else is at it.
inline pool::ThreadCache* HybridMemoryPool::Impl::enter() const noexcept {
  if (index_ >= pool::kCachedPools) [[unlikely]]
    return nullptr;
  const pool::CachePlace& place = pool::caches_of_thread[index_];
  if (place.generation != generation_) [[unlikely]]
    return nullptr;
  return place.cache->enter() ? place.cache : nullptr;
}

/// An allocation (bytes > 0) or a free (bytes < 0) of a block, in a cache that was entered or for all.
inline void HybridMemoryPool::Impl::count(pool::ThreadCache* cache, unsigned size_class,
                                          std::int64_t bytes) noexcept {
  if (!counting_) return;
  if (cache == nullptr) {
    (bytes > 0 ? counts_[size_class].allocations : counts_[size_class].frees)
        .fetch_add(1, std::memory_order_relaxed);
    if (size_class == pool::kNoClass) {
      unclassed_bytes_.fetch_add(static_cast<std::uint64_t>(bytes), std::memory_order_relaxed);
    }
    add_live(bytes);
    return;
  }
  pool::ThreadCache::Bin& bin = cache->bins[size_class];
  pool::add_alone(bytes > 0 ? bin.allocations : bin.frees, std::uint64_t{1});
  cache->uncounted_bytes += bytes;
  if (cache->uncounted_bytes >= kCountedAt || cache->uncounted_bytes <= -kCountedAt) [[unlikely]] {
    add_live(std::exchange(cache->uncounted_bytes, 0));
  }
}

}  // namespace sterna
