// The cleanup of real memory: pools and the C library's heap.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "platform/process_memory.hpp"
#include "sterna/cleanup.hpp"

namespace sterna {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

/// One periodic cleanup of what the registry knows.
StrategyReport clean_up(PressureMonitor& monitor, double& time, ReclaimRegistry& registry) {
  MemoryCleaner cleaner(monitor, {.strategies = {"periodic"}, .registry = &registry});
  time += 60;
  return cleaner.run_once().strategies.at(0);
}

class PoolCleanup : public ::testing::Test {
 protected:
  double time = 0;
  PressureMonitor monitor{{.readings = [] { return MemoryReadings{.resident = resident_bytes()}; },
                           .clock = [this] { return time; }}};
};

TEST_F(PoolCleanup, ReturnsFreeArenasToTheSystem) {
  HybridMemoryPool pool({.name = "tensors", .retain = 1024 * kMiB});
  const auto watching = watch_pool(monitor, pool);
  ReclaimRegistry registry;
  const ReclaimHandle trimming = registry.add(pool);
  std::vector<void*> blocks;
  for (int i = 0; i < 512; ++i) {
    blocks.push_back(pool.allocate(kMiB / 4));
    std::memset(blocks.back(), 1, kMiB / 4);
  }
  for (void* block : blocks) pool.deallocate(block);
  EXPECT_GE(pool.stats().held, 128 * kMiB);
  const StrategyReport report = clean_up(monitor, time, registry);
  ASSERT_EQ(report.calls.size(), 1u);
  EXPECT_EQ(report.calls[0].name, "tensors");
  EXPECT_GE(report.calls[0].bytes, 100 * kMiB);  // the rest is in this thread's cache
  EXPECT_EQ(report.pools_before - report.pools_after, report.calls[0].bytes);
  EXPECT_GT(*report.resident_before, *report.resident_after + 96 * kMiB);
}

TEST_F(PoolCleanup, TheProcessKnowsItsPool) {
  std::set<std::string> names;
  for (const auto& call : clean_up(monitor, time, ReclaimRegistry::process()).calls) names.insert(call.name);
  EXPECT_TRUE(names.contains(default_pool().name()));
}

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)  // they replace malloc
TEST_F(PoolCleanup, TheProcessTrimsItsHeap) {
  constexpr std::size_t kBlock = 64 << 10;  // malloc maps larger ones one by one
  std::vector<void*> blocks;
  for (int i = 0; i < 1024; ++i) {
    blocks.push_back(std::malloc(kBlock));
    std::memset(blocks.back(), 1, kBlock);
  }
  // The last stays, and with it the heap's end.
  for (std::size_t i = 0; i + 1 < blocks.size(); ++i) std::free(blocks[i]);
  const StrategyReport report = clean_up(monitor, time, ReclaimRegistry::process());
  std::free(blocks.back());
  const auto heap = std::ranges::find(report.calls, "heap", &StrategyReport::Call::name);
  ASSERT_NE(heap, report.calls.end());
  EXPECT_GT(heap->bytes, 56 * kMiB);
  EXPECT_GT(*report.resident_before, *report.resident_after + 56 * kMiB);
}
#endif

}  // namespace
}  // namespace sterna
