// What a pool does when a thread's cache does not serve: from the shared lists, the heaps, the system.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <new>
#include <string>

#include "base/checked.hpp"
#include "base/log.hpp"
#include "memory/pool/impl.hpp"
#include "memory/pool/page_map.hpp"
#include "memory/pool/poison.hpp"
#include "platform/pages.hpp"
#include "sterna/error.hpp"

namespace sterna {

using pool::kSizeClasses;
using pool::kUnit;
using pool::PageMap;
using pool::Span;
using pool::ThreadCache;

namespace {

// No system maps more, and sums of sizes below it do not overflow.
constexpr std::size_t kMostBytes = std::size_t{1} << 46;

}  // namespace

void HybridMemoryPool::Impl::out_of_memory(std::size_t bytes) const {
  throw Error(ErrorCategory::Limit, "out of memory",
              {{"pool", options_.name},
               {"asked", std::to_string(bytes) + " bytes"},
               {"held", std::to_string(budget_.held()) + " bytes"},
               {"limit", budget_.limit() == 0 ? "none" : std::to_string(budget_.limit()) + " bytes"}});
}

void HybridMemoryPool::Impl::complain(const void* block) const noexcept {
  try {
    log_warning(
        fmt::format("pool {}: freed what is not a live block of it: {}", options_.name, fmt::ptr(block)));
  } catch (...) {  // a sink that throws, or no memory for the message: the warning is lost
  }
}

void* HybridMemoryPool::Impl::allocate_slow(std::size_t bytes, std::size_t alignment) {
  if (!std::has_single_bit(alignment) || alignment > kMaxAlignment) {
    throw Error(ErrorCategory::InvalidArgument, "alignment is not a power of two up to 2 MiB",
                {{"pool", options_.name}, {"found", std::to_string(alignment)}});
  }
  if (bytes > kMostBytes) out_of_memory(bytes);
  const std::size_t size = block_bytes(bytes, alignment);
  try {
    if (size <= pool::kLargestClass && alignment <= kUnit) {
      const unsigned c = pool::class_of(size);
      void* block = nullptr;
      if (size <= pool::kLargestSlot) {
        block = allocate_small(c);
      } else if (Span* const span = allocate_run(size / kUnit, kUnit, c)) {
        block = span->base;
      }
      if (block == nullptr) out_of_memory(bytes);
      attach();
      ThreadCache* const cache = enter();
      count(cache, c, static_cast<std::int64_t>(size));
      if (cache != nullptr) cache->leave();
      pool::unpoison(block, bytes, size);
      return block;
    }
    Span* const span = allocate_run(size / kUnit, std::max(alignment, kUnit), pool::kNoClass);
    if (span == nullptr) out_of_memory(bytes);
    count(nullptr, pool::kNoClass, static_cast<std::int64_t>(size));
    pool::unpoison(span->base, bytes, size);
    return span->base;
  } catch (const std::bad_alloc&) {  // the pool's own lists
    out_of_memory(bytes);
  }
}

/// One block, and some more for the cache. Null when there is no memory.
void* HybridMemoryPool::Impl::allocate_small(unsigned c) {
  const bool cached = attach() != nullptr;
  std::array<void*, 32> blocks;
  static_assert(std::ranges::all_of(kSizeClasses, [](const pool::SizeClass& k) { return k.batch <= 32; }));
  const std::size_t wanted = cached ? std::max<std::size_t>(kSizeClasses[c].batch, 1) : 1;
  std::size_t taken = slots_[c].take(blocks.data(), wanted);
  if (taken == 0) {
    trim(Trim::All);
    taken = slots_[c].take(blocks.data(), 1);
    if (taken == 0) return nullptr;
  }
  if (taken > 1) {
    std::size_t kept = 0;
    if (ThreadCache* const cache = enter()) {
      ThreadCache::Bin& bin = cache->bins[c];
      kept = std::min<std::size_t>(taken - 1, bin.capacity - bin.count);
      // The lowest on top: a thread's blocks lie one after the other.
      for (std::size_t i = kept; i > 0; --i) bin.blocks[bin.count++] = blocks[i];
      pool::add_alone(cache->cached_bytes, std::uint64_t{kept} * kSizeClasses[c].bytes);
      cache->leave();
    }
    if (kept + 1 < taken) give(c, blocks.data() + 1 + kept, taken - 1 - kept);
  }
  return blocks[0];
}

Span* HybridMemoryPool::Impl::allocate_run(std::size_t units, std::size_t alignment, unsigned c) {
  const std::uint64_t limit = budget_.limit();
  if (limit != 0 && units * kUnit > limit) return nullptr;  // no trimming would help
  pool::ArenaHeap& heap = heap_of(units * kUnit);
  if (Span* const span = heap.allocate(units, alignment, c, false)) return span;
  trim(Trim::All);
  return heap.allocate(units, alignment, c, false);
}

/// Makes room for one more block of the class in a cache that was entered.
void HybridMemoryPool::Impl::make_room(ThreadCache* cache, unsigned c) noexcept {
  const auto drop_oldest = [&](unsigned from, std::uint32_t n) {
    ThreadCache::Bin& bin = cache->bins[from];
    give(from, bin.blocks, n);
    std::copy(bin.blocks + n, bin.blocks + bin.count, bin.blocks);
    bin.count -= n;
    pool::add_alone(cache->cached_bytes, -std::uint64_t{n} * kSizeClasses[from].bytes);
  };
  if (ThreadCache::Bin& bin = cache->bins[c]; bin.count == bin.capacity) drop_oldest(c, (bin.count + 1) / 2);
  if (cache->cached_bytes + kSizeClasses[c].bytes <= pool::kMaxCached) return;
  for (unsigned other = pool::kClasses; other-- > 0 && cache->cached_bytes > pool::kMaxCached / 2;) {
    if (other != c && cache->bins[other].count > 0) drop_oldest(other, cache->bins[other].count);
  }
}

/// Blocks of one class back to where they came from.
void HybridMemoryPool::Impl::give(unsigned c, void* const* blocks, std::size_t n) noexcept {
  if (kSizeClasses[c].bytes <= pool::kLargestSlot) {
    if (slots_[c].give(blocks, n) > 0) complain(blocks[0]);
    return;
  }
  for (std::size_t i = 0; i < n; ++i) heap_of(kSizeClasses[c].bytes).free(PageMap::find(blocks[i]));
}

void HybridMemoryPool::Impl::empty(ThreadCache* cache) noexcept {
  for (unsigned c = 0; c < pool::kClasses; ++c) {
    ThreadCache::Bin& bin = cache->bins[c];
    if (bin.count > 0) give(c, bin.blocks, bin.count);
    bin.count = 0;
  }
  cache->cached_bytes.store(0, std::memory_order_relaxed);
}

void HybridMemoryPool::Impl::reclaim_caches() noexcept {
  const std::lock_guard lock(caches_mutex_);
  for (ThreadCache* cache = caches_; cache != nullptr; cache = cache->next) cache->claim();
  heavy_barrier();
  for (ThreadCache* cache = caches_; cache != nullptr; cache = cache->next) {
    if (cache->wait_until_left()) empty(cache);
    cache->unclaim();
  }
}

std::uint64_t HybridMemoryPool::Impl::trim(Trim what) {
  const std::uint64_t before = budget_.held();
  if (what != Trim::Arenas) {
    reclaim_caches();
    for (pool::Slots& slots : slots_) slots.release();
  }
  if (what != Trim::Caches) {
    small_.release();
    large_.release();
  }
  return before - std::min(before, budget_.held());  // other threads may have allocated meanwhile
}

}  // namespace sterna
