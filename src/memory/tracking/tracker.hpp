// What a pool writes down from level Standard on: live blocks, latencies, the timeline.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "memory/tracking/call_stack.hpp"
#include "memory/tracking/timeline.hpp"
#include "sterna/memory.hpp"

namespace sterna::tracking {

using Clock = std::chrono::steady_clock;

struct Record {
  std::size_t bytes;
  MemoryTag tag;
  std::uint32_t thread;
  Clock::time_point since;
  std::unique_ptr<CallStack> stack;
};

/// Counts in a histogram from many threads.
class Latencies {
 public:
  void add(Clock::duration duration) noexcept {
    const auto ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(duration).count());
    counts_[LatencyHistogram::bucket(ns)].fetch_add(1, std::memory_order_relaxed);
  }
  LatencyHistogram read() const noexcept;

 private:
  std::array<std::atomic<std::uint64_t>, LatencyHistogram::kBuckets> counts_{};
};

class Tracker {
 public:
  void allocated(const void* block, std::size_t bytes, MemoryTag tag, TrackingLevel level,
                 Clock::time_point start, Clock::time_point end);
  /// Strikes a block off, before somebody else can get it. Nothing when it is not on the list.
  std::optional<Record> remove(const void* block) noexcept;
  void freed(const void* block, const Record& record, TrackingLevel level, Clock::time_point start,
             Clock::time_point end) noexcept;

  void add_to(MemoryReport& report) const;
  std::vector<LiveBlock> live_blocks(std::chrono::nanoseconds min_age) const;
  const Timeline& timeline() const noexcept { return timeline_; }
  Timeline& timeline() noexcept { return timeline_; }

 private:
  // So many that threads seldom meet in one.
  static constexpr std::size_t kShards = 16;
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    std::unordered_map<const void*, Record> blocks;
    std::array<MemoryUsage, kMemoryTags> by_tag{};
  };
  Shard& shard_of(const void* block) noexcept {
    // Blocks differ from bit 6 on; the multiplication spreads them (2^64 over the golden ratio).
    return shards_[(reinterpret_cast<std::uintptr_t>(block) / 64 * 0x9E3779B97F4A7C15u) >> 60];
  }

  std::array<Shard, kShards> shards_;
  std::atomic<std::uint64_t> live_bytes_{0};
  Latencies allocate_latency_, free_latency_;
  Timeline timeline_;
};

}  // namespace sterna::tracking
