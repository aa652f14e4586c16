// What a pool knows about its blocks: peaks, ages, stacks, latencies, the timeline.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "sterna/error.hpp"
#include "sterna/log.hpp"
#include "sterna/memory.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(Tracking, HistogramBucketsHoldTheirNumbers) {
  for (std::uint64_t ns = 0; ns < 100'000; ++ns) {
    const std::size_t bucket = LatencyHistogram::bucket(ns);
    ASSERT_LE(LatencyHistogram::bound(bucket), ns);
    ASSERT_GT(LatencyHistogram::bound(bucket + 1), ns);
  }
  EXPECT_EQ(LatencyHistogram::bucket(~std::uint64_t{0}), LatencyHistogram::kBuckets - 1);
  LatencyHistogram h;
  EXPECT_EQ(h.quantile(0.5), 0u);
  h.counts[LatencyHistogram::bucket(10)] = 98;
  h.counts[LatencyHistogram::bucket(1000)] = 2;
  EXPECT_EQ(h.total(), 100u);
  EXPECT_EQ(h.quantile(0.5), 12u);  // of [10, 12)
  EXPECT_EQ(h.quantile(0.98), 12u);
  EXPECT_EQ(h.quantile(0.99), 1024u);  // of [896, 1024)
}

TEST(Tracking, PeakIsExactFromStandardOnAndNearAtCounters) {
  for (const TrackingLevel level : {TrackingLevel::Counters, TrackingLevel::Standard}) {
    HybridMemoryPool pool({.tracking = level});
    std::vector<void*> blocks;
    std::uint64_t peak = 0;
    for (int i = 0; i < 10; ++i) {
      blocks.push_back(pool.allocate(3'000'000));
      peak += HybridMemoryPool::block_bytes(3'000'000);
    }
    for (void* block : blocks) pool.deallocate(block);
    pool.deallocate(pool.allocate(kMiB));
    const MemoryReport report = pool.report();
    EXPECT_EQ(report.total.bytes, 0u);
    EXPECT_LE(report.peak_bytes, peak);
    EXPECT_GT(report.peak_bytes + (level == TrackingLevel::Standard ? 1 : 8 * kMiB), peak);
  }
}

TEST(Tracking, LevelsRiseAndFallWhileBlocksLive) {
  HybridMemoryPool pool;
  void* const early = pool.allocate(100);
  pool.set_tracking(TrackingLevel::Debug);
  void* const middle = pool.allocate(200, 64, MemoryTag::KvCache);
  EXPECT_EQ(pool.live_blocks().size(), 1u);
  pool.deallocate(early);
  pool.set_tracking(TrackingLevel::Counters);
  void* const late = pool.allocate(300);
  EXPECT_EQ(pool.report().total.blocks, 2u);
  pool.deallocate(late);
  pool.deallocate(middle);
  EXPECT_EQ(pool.report().total.blocks, 0u);
  EXPECT_EQ(pool.report().requested_bytes, 0u);  // also of a block freed at a lower level
  EXPECT_TRUE(pool.live_blocks().empty());
  EXPECT_THROW(pool.set_tracking(TrackingLevel::Off), Error);
  HybridMemoryPool off({.tracking = TrackingLevel::Off});
  EXPECT_THROW(off.set_tracking(TrackingLevel::Counters), Error);
  off.set_tracking(TrackingLevel::Off);
}

TEST(Tracking, RefusesToFreeTwice) {
  int warnings = 0;
  set_log_sink([&](LogLevel, std::string_view) { ++warnings; });
  HybridMemoryPool pool({.tracking = TrackingLevel::Standard});
  void* const block = pool.allocate(100);
  pool.deallocate(block);
  pool.deallocate(block);
  set_log_sink({});
  EXPECT_EQ(warnings, 1);
  EXPECT_EQ(pool.report().total.frees, 1u);
}

// Not inlined, and not a tail call: frames of their own.
[[gnu::noinline]] void* planted_leak(MemoryPool& pool, std::size_t bytes) {
  void* volatile block = pool.allocate(bytes, 64, MemoryTag::Scratch);
  return block;
}
[[gnu::noinline]] void* innocent(MemoryPool& pool, std::size_t bytes) {
  void* volatile block =
      pool.allocate(bytes, 128, MemoryTag::Scratch);  // the same code would become one function
  return block;
}

bool mentions(const std::vector<std::string>& stack, std::string_view function) {
  return std::any_of(stack.begin(), stack.end(),
                     [&](const std::string& frame) { return frame.find(function) != std::string::npos; });
}

TEST(Tracking, FindsAPlantedLeakByAgeWithItsStack) {
  constexpr auto kOld = milliseconds(100);
  HybridMemoryPool pool({.tracking = TrackingLevel::Debug});
  void* const leak = planted_leak(pool, 12345);
  std::this_thread::sleep_for(kOld + milliseconds(10));
  void* young = nullptr;
  std::vector<LiveBlock> leaks;
  for (bool paused = true; paused;) {  // a machine under load may stop us until the young one is old as well
    pool.deallocate(young);
    const auto start = std::chrono::steady_clock::now();
    young = innocent(pool, 100);
    pool.deallocate(innocent(pool, 500));
    leaks = pool.live_blocks(kOld);
    paused = std::chrono::steady_clock::now() - start >= kOld;
  }
  EXPECT_EQ(pool.live_blocks().size(), 2u);
  ASSERT_EQ(leaks.size(), 1u);
  EXPECT_EQ(leaks[0].address, leak);
  EXPECT_EQ(leaks[0].bytes, 12345u);
  EXPECT_EQ(leaks[0].tag, MemoryTag::Scratch);
  EXPECT_GE(leaks[0].age, kOld);
  EXPECT_TRUE(mentions(leaks[0].stack, "planted_leak")) << ::testing::PrintToString(leaks[0].stack);
  EXPECT_TRUE(mentions(leaks[0].stack, "FindsAPlantedLeakByAgeWithItsStack"));
  EXPECT_FALSE(mentions(leaks[0].stack, "innocent"));
  pool.deallocate(leak);
  pool.deallocate(young);
}

TEST(TrackingDeathTest, LeaksAreReportedAtExit) {
  EXPECT_EXIT(
      {
        set_log_sink([](LogLevel, std::string_view message) { std::cerr << message << std::endl; });
        default_pool().set_tracking(TrackingLevel::Debug);
        log_leaks_at_exit();
        planted_leak(default_pool(), 4321);
        std::exit(0);
      },
      ::testing::ExitedWithCode(0), "4321 bytes \\(scratch\\)(.|\n)*planted_leak");
}

TEST(Tracking, TimelineIsATraceOfEveryOperation) {
  HybridMemoryPool pool({.name = "a \"pool\"", .tracking = TrackingLevel::Detailed});
  void* const first = pool.allocate(1000, 64, MemoryTag::KvCache);
  void* const second = pool.allocate(2000, 64, MemoryTag::Weights);
  pool.deallocate(first);
  std::thread([&] { pool.deallocate(second); }).join();
  const auto file = testing::scratch() / "trace.json";
  pool.write_timeline(file);
  std::ifstream in(file);
  const auto trace = nlohmann::json::parse(in);
  std::vector<std::string> operations;
  std::vector<std::uint64_t> live;
  std::vector<std::uint64_t> threads;
  double last = 0;
  for (const auto& event : trace.at("traceEvents")) {
    const std::string phase = event.at("ph");
    if (phase == "M") {
      EXPECT_EQ(event.at("args").at("name"), "a \"pool\"");
    } else if (phase == "C") {
      live.push_back(event.at("args").at("bytes"));
    } else {
      ASSERT_EQ(phase, "X");
      operations.push_back(std::string(event.at("name")) + " " + std::string(event.at("cat")));
      threads.push_back(event.at("tid"));
      EXPECT_GE(double(event.at("ts")), last);
      EXPECT_GE(double(event.at("dur")), 0);
      last = event.at("ts");
    }
  }
  EXPECT_EQ(operations, (std::vector<std::string>{"allocate kv_cache", "allocate weights", "free kv_cache",
                                                  "free weights"}));
  EXPECT_EQ(live, (std::vector<std::uint64_t>{1000, 3000, 2000, 0}));
  EXPECT_EQ(threads[0], threads[2]);
  EXPECT_NE(threads[0], threads[3]);

  for (std::size_t i = 0; i < kTimelineEvents; ++i) pool.deallocate(pool.allocate(8));
  pool.write_timeline(file);
  std::ifstream again(file);
  std::size_t lines = 0;  // one for each event
  for (std::string line; std::getline(again, line);) lines += line.find("\"ph\":\"X\"") != std::string::npos;
  EXPECT_EQ(lines, kTimelineEvents);
  pool.set_tracking(TrackingLevel::Standard);
  EXPECT_THROW(pool.write_timeline(file), Error);
}

}  // namespace
}  // namespace sterna
