// The frequent ways through a pool: from a thread's cache, and back into it.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checked.hpp"
#include "memory/pool/impl.hpp"
#include "memory/pool/page_map.hpp"
#include "memory/pool/poison.hpp"
#include "memory/pool/threads.hpp"
#include "platform/pages.hpp"

namespace sterna {

using pool::kSizeClasses;
using pool::PageMap;
using pool::Span;
using pool::ThreadCache;

namespace {

// From the size of a huge page on, taking pages away and getting zeros back costs less than writing zeros.
constexpr std::size_t kDiscardFrom = std::size_t{2} << 20;

}  // namespace

void HybridMemoryPool::Impl::add_live(std::int64_t bytes) noexcept {
  const std::int64_t live = live_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  std::int64_t peak = peak_bytes_.load(std::memory_order_relaxed);
  while (peak < live && !peak_bytes_.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {
  }
}

inline void* HybridMemoryPool::Impl::allocate_block(std::size_t bytes, std::size_t alignment) {
  // A power of two, which 0 is not, and nothing that does not fit a class; the slow way looks again.
  const bool classed = bytes <= pool::kLargestClass - pool::kRedzone && alignment - 1 < pool::kUnit &&
                       (alignment & (alignment - 1)) == 0;
  if (classed) [[likely]] {
    const std::size_t needed = std::max<std::size_t>(bytes + pool::kRedzone, 1);
    const std::size_t padded = (needed + alignment - 1) & ~(alignment - 1);
    if (padded <= pool::kLargestClass) [[likely]] {
      const unsigned c = pool::class_of(padded);
      if (ThreadCache* const cache = enter()) [[likely]] {
        ThreadCache::Bin& bin = cache->bins[c];
        if (bin.count > 0) [[likely]] {
          void* const block = bin.blocks[--bin.count];
          const std::size_t size = kSizeClasses[c].bytes;
          pool::add_alone(cache->cached_bytes, -std::uint64_t{size});
          count(cache, c, static_cast<std::int64_t>(size));
          cache->leave();
          pool::unpoison(block, bytes, size);
          return block;
        }
        cache->leave();
      }
    }
  }
  return allocate_slow(bytes, alignment);
}

inline void HybridMemoryPool::Impl::free_block(Span* span, void* block) noexcept {
  const unsigned c = span->size_class;
  if (c == pool::kNoClass) {
    count(nullptr, c, -static_cast<std::int64_t>(span->bytes()));
    pool::poison(block, span->bytes());
    heap_of(span->bytes()).free(span);
    return;
  }
  const std::size_t size = kSizeClasses[c].bytes;
  if (size > pool::kLargestSlot) span->fresh = false;
  pool::poison(block, size);
  ThreadCache* cache = enter();
  if (cache == nullptr && attach() != nullptr)
    cache = enter();  // the first operation of a thread may be a free
  count(cache, c, -static_cast<std::int64_t>(size));
  if (cache == nullptr) [[unlikely]] {
    give(c, &block, 1);
    return;
  }
  ThreadCache::Bin& bin = cache->bins[c];
  if (bin.count == bin.capacity ||
      cache->cached_bytes.load(std::memory_order_relaxed) + size > pool::kMaxCached) [[unlikely]] {
    make_room(cache, c);
  }
  bin.blocks[bin.count++] = block;
  pool::add_alone(cache->cached_bytes, std::uint64_t{size});
  cache->leave();
}

inline void* HybridMemoryPool::Impl::allocate(std::size_t bytes, std::size_t alignment, MemoryTag tag) {
  if (tracking() >= TrackingLevel::Standard) [[unlikely]]
    return allocate_tracked(bytes, alignment, tag);
  return allocate_block(bytes, alignment);
}

inline void HybridMemoryPool::Impl::deallocate(void* block) noexcept {
  if (block == nullptr) return;
  Span* const span = PageMap::find(block);
  if (span == nullptr || span->owner != this || span->state != Span::State::Used ||
      ((span->size_class == pool::kNoClass || kSizeClasses[span->size_class].bytes > pool::kLargestSlot) &&
       block != span->base)) [[unlikely]] {
    complain(block);
    return;
  }
  if (!watched_.load(std::memory_order_relaxed)) [[likely]] {
    free_block(span, block);
    return;
  }
  const TrackingLevel level = tracking();
  const auto start = tracking::Clock::now();
  const auto record = tracker_.remove(block);
  if (!record && complete_) {
    complain(block);
    return;
  }
  free_block(span, block);
  settle();
  if (record) tracker_.freed(block, *record, level, start, tracking::Clock::now());
}

void* HybridMemoryPool::Impl::allocate_tracked(std::size_t bytes, std::size_t alignment, MemoryTag tag) {
  const auto start = tracking::Clock::now();
  void* const block = allocate_block(bytes, alignment);
  const auto end = tracking::Clock::now();
  settle();
  try {
    tracker_.allocated(block, bytes, tag, tracking(), start, end);
  } catch (...) {  // no memory for the list: the block goes back rather than be unknown
    free_block(PageMap::find(block), block);
    throw;
  }
  return block;
}

void* HybridMemoryPool::Impl::allocate_zeroed(std::size_t bytes, std::size_t alignment, MemoryTag tag) {
  void* const block = allocate(bytes, alignment, tag);
  if (PageMap::find(block)->fresh) return block;
  if (bytes >= kDiscardFrom) {
    discard_pages(static_cast<std::byte*>(block), bytes, options_.lock);
  } else {
    std::memset(block, 0, bytes);
  }
  return block;
}

/// Adds what this thread has not yet: from level Standard on the peak is exact.
void HybridMemoryPool::Impl::settle() noexcept {
  if (ThreadCache* const cache = enter()) {
    if (cache->uncounted_bytes != 0) add_live(std::exchange(cache->uncounted_bytes, 0));
    cache->leave();
  }
}

void* HybridMemoryPool::allocate(std::size_t bytes, std::size_t alignment, MemoryTag tag) {
  return impl_->allocate(bytes, alignment, tag);
}
void* HybridMemoryPool::allocate_zeroed(std::size_t bytes, std::size_t alignment, MemoryTag tag) {
  return impl_->allocate_zeroed(bytes, alignment, tag);
}
void HybridMemoryPool::deallocate(void* block) noexcept {
  impl_->deallocate(block);
}

}  // namespace sterna
