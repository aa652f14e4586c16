// The parts of reports that do not depend on a pool: names and histograms.
#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "sterna/memory.hpp"

namespace sterna {

std::string_view to_string(MemoryTag tag) noexcept {
  constexpr std::string_view kNames[kMemoryTags] = {"general",     "weights", "kv_cache",
                                                    "activations", "tensor",  "scratch"};
  return kNames[static_cast<std::size_t>(tag)];
}

std::string_view to_string(TrackingLevel level) noexcept {
  constexpr std::string_view kNames[] = {"off", "counters", "standard", "detailed", "debug"};
  return kNames[static_cast<std::size_t>(level)];
}

// Buckets 0 … 3 are 0 … 3 ns; then bucket 4k + j begins at (4 + j)·2^(k − 1).
std::uint64_t LatencyHistogram::bound(std::size_t bucket) noexcept {
  return bucket < 4 ? bucket : (4 + bucket % 4) << (bucket / 4 - 1);
}

std::size_t LatencyHistogram::bucket(std::uint64_t nanoseconds) noexcept {
  if (nanoseconds < 4) return nanoseconds;
  const auto log2 = static_cast<std::size_t>(std::bit_width(nanoseconds)) - 1;
  return std::min(4 * (log2 - 1) + ((nanoseconds >> (log2 - 2)) & 3), kBuckets - 1);
}

std::uint64_t LatencyHistogram::total() const noexcept {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::uint64_t LatencyHistogram::quantile(double q) const noexcept {
  const auto all = total();
  if (all == 0) return 0;
  const auto rank =
      std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(all))));
  std::uint64_t seen = 0;
  for (std::size_t b = 0; b < kBuckets; ++b) {
    seen += counts[b];
    if (seen >= rank) return bound(b + 1);
  }
  return bound(kBuckets);
}

}  // namespace sterna
