#include "memory/pool/thread_cache.hpp"

#include <sched.h>

#include <new>

namespace sterna::pool {
namespace {

constexpr std::size_t kPointers = [] {
  std::size_t n = 0;
  for (const SizeClass& c : kSizeClasses) n += c.capacity;
  return n;
}();
constexpr std::size_t kBytes = sizeof(ThreadCache) + kPointers * sizeof(void*);

}  // namespace

ThreadCache* ThreadCache::make() noexcept {
  std::byte* memory = map_pages(kBytes, page_bytes());
  if (memory == nullptr) return nullptr;
  auto* cache = new (memory) ThreadCache;
  auto** blocks = reinterpret_cast<void**>(memory + sizeof(ThreadCache));
  for (unsigned c = 0; c < kClasses; ++c) {
    cache->bins[c].capacity = kSizeClasses[c].capacity;
    cache->bins[c].blocks = blocks;
    blocks += kSizeClasses[c].capacity;
  }
  return cache;
}

void ThreadCache::destroy(ThreadCache* cache) noexcept {
  cache->~ThreadCache();
  unmap_pages(reinterpret_cast<std::byte*>(cache), kBytes);
}

bool ThreadCache::wait_until_left() noexcept {
  // An operation takes a microsecond; one that takes this long lost its processor, or its thread did not
  // survive a fork.
  constexpr int kPatience = 1000;
  for (int i = 0; i < kPatience; ++i) {
    if (busy_.load(std::memory_order_seq_cst) == 0) return true;
    ::sched_yield();
  }
  return false;
}

}  // namespace sterna::pool
