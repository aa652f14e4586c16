#include "memory/pool/threads.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "memory/pool/impl.hpp"

namespace sterna {

thread_local constinit pool::CachePlace pool::caches_of_thread[pool::kCachedPools] = {};

/// The pools that exist. Never destroyed, so that threads and pools may end after main did.
struct HybridMemoryPool::Registry {
  std::mutex mutex;
  std::uint64_t generations = 0;
  std::vector<Impl*> pools;
  std::array<Impl*, pool::kCachedPools> places{};

  static Registry& get() {
    alignas(Registry) static std::byte memory[sizeof(Registry)];
    static Registry* registry = new (memory) Registry;
    return *registry;
  }

  /// Runs when a thread that has caches ends. What it allocates later goes without.
  struct ThreadEnd {
    ~ThreadEnd() {
      thread_ended = true;
      Registry& registry = get();
      const std::lock_guard lock(registry.mutex);
      for (std::size_t i = 0; i < pool::kCachedPools; ++i) {
        const auto [generation, cache] = std::exchange(pool::caches_of_thread[i], {});
        Impl* const pool = registry.places[i];
        if (cache != nullptr && pool != nullptr && pool->generation_ == generation) pool->detach(cache);
      }
    }
  };
  static thread_local ThreadEnd thread_end;
  static thread_local constinit bool thread_ended;  // outlives thread_end
};

thread_local HybridMemoryPool::Registry::ThreadEnd HybridMemoryPool::Registry::thread_end;
thread_local constinit bool HybridMemoryPool::Registry::thread_ended = false;

void HybridMemoryPool::Impl::enlist() {
  Registry& registry = Registry::get();
  const std::lock_guard lock(registry.mutex);
  generation_ = ++registry.generations;
  registry.pools.push_back(this);
  const auto place = std::find(registry.places.begin(), registry.places.end(), nullptr);
  index_ = static_cast<std::size_t>(place - registry.places.begin());
  if (place != registry.places.end()) *place = this;
}

void HybridMemoryPool::Impl::delist() noexcept {
  Registry& registry = Registry::get();
  const std::lock_guard lock(registry.mutex);
  std::erase(registry.pools, this);
  if (index_ < pool::kCachedPools) registry.places[index_] = nullptr;
}

/// Makes this thread's cache, if it has none and may have one.
pool::ThreadCache* HybridMemoryPool::Impl::attach() noexcept {
  if (index_ >= pool::kCachedPools || Registry::thread_ended) return nullptr;
  pool::CachePlace& place = pool::caches_of_thread[index_];
  if (place.generation == generation_) return place.cache;
  static_cast<void>(&Registry::thread_end);  // from its first use on, it runs at the thread's end
  pool::ThreadCache* const cache = pool::ThreadCache::make();
  if (cache == nullptr) return nullptr;
  const std::lock_guard lock(caches_mutex_);
  cache->next = caches_;
  caches_ = cache;
  place = {generation_, cache};
  return cache;
}

void HybridMemoryPool::Impl::detach(pool::ThreadCache* cache) noexcept {
  const std::lock_guard lock(caches_mutex_);
  empty(cache);
  for (unsigned c = 0; c < pool::kClasses; ++c) {
    counts_[c].allocations += cache->bins[c].allocations;
    counts_[c].frees += cache->bins[c].frees;
  }
  add_live(cache->uncounted_bytes);
  pool::ThreadCache** at = &caches_;
  while (*at != cache) at = &(*at)->next;
  *at = cache->next;
  pool::ThreadCache::destroy(cache);
}

MemoryUsage device_usage(Device device) {
  MemoryUsage sum;
  if (device != Device{}) return sum;  // these pools are the host's
  auto& registry = HybridMemoryPool::Registry::get();
  const std::lock_guard lock(registry.mutex);
  for (const HybridMemoryPool::Impl* pool : registry.pools) {
    const MemoryUsage usage = pool->usage();
    sum.blocks += usage.blocks;
    sum.bytes += usage.bytes;
    sum.allocations += usage.allocations;
    sum.frees += usage.frees;
  }
  return sum;
}

}  // namespace sterna
