// What BitLinear layers have made of their weights, by the weights' content.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

#include "base/content_hash.hpp"
#include "platform/thread_pool.hpp"
#include "quantize/bitlinear_weights.hpp"
#include "sterna/cleanup.hpp"

namespace sterna {

/// All that the kernels' weights depend on.
struct WeightKey {
  ContentHash content;
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  DType dtype{};  ///< of the content; F64, which weights cannot have, for a stream
  WeightGrain grain{};
  std::uint32_t group = 0;
  bool operator==(const WeightKey&) const = default;
};

/// Any thread may call any function.
class WeightCache {
 public:
  explicit WeightCache(ReclaimRegistry& registry);
  /// The process's own, never destroyed.
  static WeightCache& process();

  /// The weights of a key: those that are there, or those that `make` makes, which are then kept as far as
  /// the limit allows. Two threads that miss the same key both make it, and one of them is kept.
  std::shared_ptr<const BitLinearWeights> get(const WeightKey& key, FunctionRef<BitLinearWeights()> make);
  bool holds(const WeightKey& key) const;
  BitLinearCache stats() const;
  void set_limit(std::uint64_t bytes);

 private:
  struct Entry {
    WeightKey key;
    std::shared_ptr<const BitLinearWeights> weights;
  };
  using Entries = std::list<Entry>;  // the last used first

  Entries::iterator find(const WeightKey& key);
  void evict(Entries::iterator entry);
  void keep_limit();
  std::uint64_t reclaim(PressureLevel effort);

  mutable std::mutex mutex_;
  Entries entries_;
  BitLinearCache stats_{.limit = std::uint64_t{1} << 30};
  ReclaimHandle reclaimable_;  ///< the last: ends before what it gives back
};

}  // namespace sterna
