#include "memory/tracking/tracker.hpp"

#include <algorithm>
#include <utility>

#include "memory/tracking/thread_number.hpp"

namespace sterna::tracking {

LatencyHistogram Latencies::read() const noexcept {
  LatencyHistogram histogram;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    histogram.counts[i] = counts_[i].load(std::memory_order_relaxed);
  }
  return histogram;
}

void Tracker::allocated(const void* block, std::size_t bytes, MemoryTag tag, TrackingLevel level,
                        Clock::time_point start, Clock::time_point end) {
  Record record{bytes, tag, thread_number(), end, nullptr};
  if (level >= TrackingLevel::Debug) record.stack = std::make_unique<CallStack>(capture_call_stack());
  {
    Shard& shard = shard_of(block);
    const std::lock_guard lock(shard.mutex);
    shard.blocks.insert_or_assign(block, std::move(record));
    MemoryUsage& usage = shard.by_tag[static_cast<std::size_t>(tag)];
    ++usage.blocks;
    ++usage.allocations;
    usage.bytes += bytes;
  }
  const std::uint64_t live = live_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  allocate_latency_.add(end - start);
  if (level >= TrackingLevel::Detailed) {
    timeline_.add({start, end - start, block, bytes, live, thread_number(), tag, true});
  }
}

std::optional<Record> Tracker::remove(const void* block) noexcept {
  Shard& shard = shard_of(block);
  const std::lock_guard lock(shard.mutex);
  auto node = shard.blocks.extract(block);
  if (node.empty()) return std::nullopt;
  MemoryUsage& usage = shard.by_tag[static_cast<std::size_t>(node.mapped().tag)];
  --usage.blocks;
  ++usage.frees;
  usage.bytes -= node.mapped().bytes;
  return std::move(node.mapped());
}

void Tracker::freed(const void* block, const Record& record, TrackingLevel level, Clock::time_point start,
                    Clock::time_point end) noexcept {
  const std::uint64_t live = live_bytes_.fetch_sub(record.bytes, std::memory_order_relaxed) - record.bytes;
  if (level >= TrackingLevel::Standard) free_latency_.add(end - start);
  if (level >= TrackingLevel::Detailed) {
    timeline_.add({start, end - start, block, record.bytes, live, thread_number(), record.tag, false});
  }
}

void Tracker::add_to(MemoryReport& report) const {
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (std::size_t tag = 0; tag < kMemoryTags; ++tag) {
      MemoryUsage& sum = report.by_tag[tag];
      const MemoryUsage& usage = shard.by_tag[tag];
      sum.blocks += usage.blocks;
      sum.bytes += usage.bytes;
      sum.allocations += usage.allocations;
      sum.frees += usage.frees;
      report.requested_bytes += usage.bytes;
    }
  }
  report.allocate_latency = allocate_latency_.read();
  report.free_latency = free_latency_.read();
}

std::vector<LiveBlock> Tracker::live_blocks(std::chrono::nanoseconds min_age) const {
  struct Found {
    LiveBlock block;
    std::unique_ptr<CallStack> stack;
  };
  std::vector<Found> found;
  const Clock::time_point now = Clock::now();
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const auto& [address, record] : shard.blocks) {
      const auto age = std::chrono::duration_cast<std::chrono::nanoseconds>(now - record.since);
      if (age < min_age) continue;
      found.push_back({{address, record.bytes, record.tag, age, record.thread},
                       record.stack ? std::make_unique<CallStack>(*record.stack) : nullptr});
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Found& a, const Found& b) { return a.block.age > b.block.age; });
  std::vector<LiveBlock> blocks;
  blocks.reserve(found.size());
  for (Found& f : found) {
    if (f.stack)
      f.block.stack = describe(*f.stack);  // outside the locks: reading debug information takes long
    blocks.push_back(std::move(f.block));
  }
  return blocks;
}

}  // namespace sterna::tracking
