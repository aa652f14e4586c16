#include "quantize/bitlinear_cache.hpp"

#include <algorithm>

namespace sterna {

WeightCache::WeightCache(ReclaimRegistry& registry)
    : reclaimable_(
          registry.add({.name = "bitlinear", .cost = ReclaimCost::Cached, .pool = default_pool().name()},
                       [this](PressureLevel effort) { return reclaim(effort); })) {}

WeightCache& WeightCache::process() {
  static auto* const cache = new WeightCache(ReclaimRegistry::process());
  return *cache;
}

std::shared_ptr<const BitLinearWeights> WeightCache::get(const WeightKey& key,
                                                         FunctionRef<BitLinearWeights()> make) {
  reclaimable_.touch();
  {
    const std::lock_guard lock(mutex_);
    if (const auto entry = find(key); entry != entries_.end()) {
      ++stats_.hits;
      entries_.splice(entries_.begin(), entries_, entry);
      return entry->weights;
    }
    ++stats_.misses;
  }
  auto made = std::make_shared<const BitLinearWeights>(make());
  const std::lock_guard lock(mutex_);
  if (const auto entry = find(key); entry != entries_.end()) return entry->weights;
  stats_.bytes += made->bytes();
  entries_.push_front({key, made});
  keep_limit();
  return made;
}

bool WeightCache::holds(const WeightKey& key) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::find(entries_, key, &Entry::key) != entries_.end();
}

BitLinearCache WeightCache::stats() const {
  const std::lock_guard lock(mutex_);
  BitLinearCache stats = stats_;
  stats.entries = entries_.size();
  return stats;
}

void WeightCache::set_limit(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  stats_.limit = bytes;
  keep_limit();
}

WeightCache::Entries::iterator WeightCache::find(const WeightKey& key) {
  return std::ranges::find(entries_, key, &Entry::key);
}

void WeightCache::evict(Entries::iterator entry) {
  stats_.bytes -= entry->weights->bytes();
  ++stats_.evictions;
  entries_.erase(entry);
}

void WeightCache::keep_limit() {
  while (stats_.bytes > stats_.limit) evict(std::prev(entries_.end()));
}

/// Quantising again is no small cost: nothing below High. What a layer computes with now, or keeps, stays.
std::uint64_t WeightCache::reclaim(PressureLevel effort) {
  if (effort < PressureLevel::High) return 0;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return 0;
  std::uint64_t freed = 0;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (entry->weights.use_count() == 1) {
      freed += entry->weights->bytes();
      evict(entry);
    }
    entry = next;
  }
  return freed;
}

BitLinearCache bitlinear_cache() {
  return WeightCache::process().stats();
}

void set_bitlinear_cache_limit(std::uint64_t bytes) {
  WeightCache::process().set_limit(bytes);
}

}  // namespace sterna
