#include "sterna/cleanup.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <ctime>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "sterna/error.hpp"
#include "sterna/log.hpp"

namespace sterna {
namespace {

/// A process of 1000 bytes and a pool of 100, with owners that give back what they hold.
class Cleanup : public ::testing::Test {
 protected:
  struct Owner {
    ReclaimHandle handle;
    std::uint64_t bytes = 0;  ///< of the process
    std::vector<PressureLevel> efforts;
  };

  Cleanup() {
    pressure.readings = [this] {
      MemoryReadings readings{.resident = base, .total = 1000};
      for (const auto& owner : owners) *readings.resident += owner->bytes;
      return readings;
    };
    pressure.clock = [this] { return time; };
    options.registry = &registry;
  }
  ~Cleanup() override { set_log_sink({}); }

  Owner& add(std::string name, std::uint64_t bytes, ReclaimCost cost, std::string in_pool = "") {
    owners.push_back(std::make_unique<Owner>());
    Owner& owner = *owners.back();
    owner.bytes = bytes;
    owner.handle = registry.add({.name = std::move(name), .cost = cost, .pool = std::move(in_pool)},
                                [&owner](PressureLevel effort) {
                                  owner.efforts.push_back(effort);
                                  return std::exchange(owner.bytes, 0);
                                });
    return owner;
  }

  static std::string names(const CleanupReport& report) {
    std::string all;
    for (const StrategyReport& strategy : report.strategies) {
      all += all.empty() ? "" : "; ";
      all += std::string(strategy.strategy) + ":";
      for (const auto& call : strategy.calls) all += " " + call.name + " " + std::to_string(call.bytes);
    }
    return all;
  }
  void only(std::string_view strategy) { options.strategies = {std::string(strategy)}; }

  ReclaimRegistry registry;
  std::vector<std::unique_ptr<Owner>> owners;
  std::uint64_t base = 0;  ///< bytes of the process that nobody gives back
  double time = 0;
  PressureOptions pressure;
  CleanupOptions options;
};

TEST_F(Cleanup, TheTableNamesEveryStrategyOnce) {
  std::set<std::string_view> names;
  for (const auto& row : cleanup_strategies()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_FALSE(row.summary.empty());
  }
  EXPECT_EQ(names, (std::set<std::string_view>{"pressure", "device", "idle", "periodic", "generational"}));
}

TEST_F(Cleanup, PressureTakesTheCheapFirstAndStopsWhenRelieved) {
  only("pressure");
  PressureMonitor monitor(pressure);
  MemoryCleaner cleaner(monitor, options);
  Owner& copy = add("copy", 100, ReclaimCost::Cached);
  add("pages", 100, ReclaimCost::Unused);
  add("more pages", 100, ReclaimCost::Unused);
  base = 400;
  EXPECT_EQ(names(cleaner.run_once()), "");  // 70 %
  base = 555;                                // 86 %: after one of them, 76 %
  const CleanupReport report = cleaner.run_once();
  EXPECT_EQ(names(report), "pressure: pages 100");
  EXPECT_EQ(report.before.level, PressureLevel::Medium);
  EXPECT_EQ(report.after.level, PressureLevel::Low);
  EXPECT_EQ(report.strategies[0].effort, PressureLevel::Medium);
  EXPECT_EQ(report.strategies[0].resident_before, 855u);
  EXPECT_EQ(report.strategies[0].resident_after, 755u);
  base = 750;  // 95 %: after the pages 85 %, which is medium, at which copies stay
  time += options.cool_down;
  EXPECT_EQ(names(cleaner.run_once()), "pressure: pages 0 more pages 100");
  EXPECT_EQ(copy.bytes, 100u);
  base = 860;  // 96 %
  time += options.cool_down;
  EXPECT_EQ(names(cleaner.run_once()), "pressure: pages 0 more pages 0 copy 100 pages 0 more pages 0");
  EXPECT_EQ(copy.efforts, std::vector{PressureLevel::Critical});
}

TEST_F(Cleanup, PressureRestsUnlessItRises) {
  only("pressure");
  PressureMonitor monitor(pressure);
  MemoryCleaner cleaner(monitor, options);
  add("nothing", 0, ReclaimCost::Unused);
  const auto runs = [&](double at, std::uint64_t bytes) {
    time = at;
    base = bytes;
    return !cleaner.run_once().strategies.empty();
  };
  EXPECT_TRUE(runs(0, 850));
  EXPECT_FALSE(runs(1, 850));
  EXPECT_TRUE(runs(2, 950));
  EXPECT_FALSE(runs(3, 950));
  EXPECT_FALSE(runs(4, 850));
  EXPECT_TRUE(runs(7, 850));
}

TEST_F(Cleanup, DeviceTakesWhatCountsInTheFullPool) {
  only("device");
  PressureMonitor monitor(pressure);
  MemoryCleaner cleaner(monitor, options);
  Owner& here = add("here", 30, ReclaimCost::Cached, "full");
  add("elsewhere", 30, ReclaimCost::Unused, "empty");
  add("nowhere", 30, ReclaimCost::Unused);
  add("process", 30, ReclaimCost::Unused, "process");
  std::uint64_t rest = 40;
  const auto full = monitor.watch("full", [&] { return PoolUse{.used = rest + here.bytes, .limit = 100}; });
  const auto empty = monitor.watch("empty", [] { return PoolUse{.used = 30, .limit = 100}; });
  base = 990;  // the process's own pressure is not this strategy's
  EXPECT_EQ(names(cleaner.run_once()), "");
  rest = 62;
  const CleanupReport report = cleaner.run_once();
  EXPECT_EQ(names(report), "device: here 30");
  EXPECT_EQ(report.strategies[0].pools_before, 122u);
  EXPECT_EQ(report.strategies[0].pools_after, 92u);
  EXPECT_EQ(report.before.find("full")->level, PressureLevel::High);
  EXPECT_EQ(report.after.find("full")->level, PressureLevel::None);
}

TEST_F(Cleanup, IdleRunsOnceAfterTheLastUse) {
  only("idle");
  PressureMonitor monitor(pressure);
  MemoryCleaner cleaner(monitor, options);
  Owner& pages = add("pages", 10, ReclaimCost::Unused);
  add("copy", 10, ReclaimCost::Cached);
  std::uint64_t allocations = 0;
  const auto pool =
      monitor.watch("pool", [&] { return PoolUse{.used = 1, .limit = 100, .events = allocations}; });
  const auto at = [&](double when) {
    time = when;
    return names(cleaner.run_once());
  };
  EXPECT_EQ(at(29), "");
  EXPECT_EQ(at(30), "idle: pages 10");
  EXPECT_EQ(at(90), "");  // once
  pages.handle.touch();
  EXPECT_EQ(at(91), "");
  EXPECT_EQ(at(120), "");
  EXPECT_EQ(at(121), "idle: pages 0");
  ++allocations;
  EXPECT_EQ(at(160), "");
  EXPECT_EQ(at(190), "idle: pages 0");
  EXPECT_EQ(pages.efforts, std::vector(3, PressureLevel::High));
}

TEST_F(Cleanup, PeriodicTakesTheSurplus) {
  only("periodic");
  PressureMonitor monitor(pressure);
  MemoryCleaner cleaner(monitor, options);
  Owner& pages = add("pages", 10, ReclaimCost::Unused);
  add("copy", 10, ReclaimCost::Cached);
  std::vector<double> ran;
  for (time = 0; time < 200; time += 7) {
    pages.handle.touch();
    if (!cleaner.run_once().strategies.empty()) ran.push_back(time);
  }
  EXPECT_EQ(ran, (std::vector<double>{63, 126, 189}));
  EXPECT_EQ(pages.efforts, std::vector(3, PressureLevel::Low));
}

TEST_F(Cleanup, GenerationalTakesWhatNobodyTouched) {
  only("generational");
  PressureMonitor monitor(pressure);
  MemoryCleaner cleaner(monitor, options);
  add("old", 10, ReclaimCost::Cached);
  Owner& used = add("used", 20, ReclaimCost::Cached);
  add("pages", 10, ReclaimCost::Unused);
  std::vector<std::string> runs;
  for (int generation = 1; generation <= 6; ++generation) {
    time += options.generation;
    if (generation <= 2) used.handle.touch();
    runs.push_back(names(cleaner.run_once()));
  }
  // Seen at 1, and so 3 old at 4; "used" was last touched in 2.
  EXPECT_EQ(runs, (std::vector<std::string>{
                      "generational:", "generational:", "generational:", "generational: old 10",
                      "generational: old 0 used 20", "generational: old 0 used 0"}));
}

TEST_F(Cleanup, AReportForWhoeverAsked) {
  options.strategies = {"periodic", "pressure"};
  std::vector<std::string> log, reports;
  set_log_sink([&](LogLevel, std::string_view message) { log.emplace_back(message); });
  PressureMonitor monitor(pressure);
  MemoryCleaner* self = nullptr;
  options.on_cleanup = [&](const CleanupReport& report) {
    reports.push_back(names(report));
    self->run_once();  // an error, not a deadlock
  };
  MemoryCleaner cleaner(monitor, options);
  self = &cleaner;
  const auto broken = registry.add({.name = "broken"},
                                   [](PressureLevel) -> std::uint64_t { throw std::runtime_error("no"); });
  add("pages", 10, ReclaimCost::Unused);
  cleaner.run_once();
  EXPECT_TRUE(reports.empty());
  time = 60;
  cleaner.run_once();
  EXPECT_EQ(reports, std::vector<std::string>{"periodic: broken 0 pages 10"});
  ASSERT_EQ(log.size(), 2u);
  EXPECT_NE(log[0].find("broken"), std::string::npos);
  EXPECT_NE(log[1].find("MemoryCleaner::run_once"), std::string::npos);
}

TEST_F(Cleanup, ACallbackOfTheMonitorCannotRunIt) {
  std::vector<std::string> log;
  set_log_sink([&](LogLevel, std::string_view message) { log.emplace_back(message); });
  PressureMonitor monitor(pressure);
  MemoryCleaner cleaner(monitor, options);
  const auto running = monitor.on_change([&](const PressureReport&) { cleaner.run_once(); });
  base = 750;
  monitor.poll();
  ASSERT_EQ(log.size(), 1u);
  EXPECT_NE(log[0].find("PressureMonitor::poll"), std::string::npos);
}

TEST_F(Cleanup, AnOwnerThatEndsIsNotAsked) {
  only("periodic");
  PressureMonitor monitor(pressure);
  MemoryCleaner cleaner(monitor, options);
  Owner& pages = add("pages", 10, ReclaimCost::Unused);
  pages.handle.reset();
  time = 60;
  EXPECT_EQ(names(cleaner.run_once()), "periodic:");
  EXPECT_EQ(pages.bytes, 10u);
}

TEST_F(Cleanup, RefusesOptionsThatMakeNoSense) {
  PressureMonitor monitor(pressure);
  const auto refuses = [&](auto change) {
    CleanupOptions wrong = options;
    change(wrong);
    try {
      MemoryCleaner cleaner(monitor, wrong);
      return false;
    } catch (const Error& error) {
      return error.category() == ErrorCategory::InvalidArgument;
    }
  };
  EXPECT_TRUE(refuses([](auto& o) { o.interval = 0; }));
  EXPECT_TRUE(refuses([](auto& o) { o.cool_down = -1; }));
  EXPECT_TRUE(refuses([](auto& o) { o.idle_after = std::numeric_limits<double>::infinity(); }));
  EXPECT_TRUE(refuses([](auto& o) { o.period = std::nan(""); }));
  EXPECT_TRUE(refuses([](auto& o) { o.generation = -1; }));
  EXPECT_TRUE(refuses([](auto& o) { o.generations = 0; }));
  EXPECT_TRUE(refuses([](auto& o) { o.strategies = {"periodic", "sometimes"}; }));
  EXPECT_FALSE(refuses([](auto& o) { o.cool_down = o.idle_after = 0; }));
  EXPECT_THROW((void)registry.add({}, [](PressureLevel) { return std::uint64_t{0}; }), Error);
  EXPECT_THROW((void)registry.add({.name = "a"}, {}), Error);
}

/// The thread: looks again and again, sleeps in between, ends at once, and can begin anew.
class CleanupThread : public ::testing::Test {
 protected:
  CleanupThread() {
    options.registry = &registry;
    options.strategies = {"periodic"};
    options.period = 1e-6;
    handle = registry.add({.name = "counter"}, [this](PressureLevel) {
      ++calls;
      calls.notify_all();
      return std::uint64_t{1};
    });
  }
  void wait_for_calls(int n) {
    for (int seen = calls; seen < n; seen = calls) calls.wait(seen);
  }

  ReclaimRegistry registry;
  ReclaimHandle handle;
  std::atomic<int> calls{0};
  CleanupOptions options;
  PressureMonitor monitor{{.readings = [] { return MemoryReadings{}; }}};
};

TEST_F(CleanupThread, RunsUntilStopped) {
  options.interval = 0.001;
  MemoryCleaner cleaner(monitor, options);
  for (int round = 1; round <= 3; ++round) {
    cleaner.start();
    cleaner.start();
    wait_for_calls(calls + 5);
    cleaner.stop();
    cleaner.stop();
    const int before = calls;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(calls, before);
  }
}

TEST_F(CleanupThread, SleepsBetweenLooksAndEndsAtOnce) {
  options.interval = 3600;
  MemoryCleaner cleaner(monitor, options);
  cleaner.start();
  wait_for_calls(1);
  timespec before{}, after{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const double busy = static_cast<double>(after.tv_sec - before.tv_sec) +
                      1e-9 * static_cast<double>(after.tv_nsec - before.tv_nsec);
  EXPECT_LT(busy, 0.05);  // a thread that waits busily takes 0.1
  EXPECT_EQ(calls, 1);
  const auto start = std::chrono::steady_clock::now();
  cleaner.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

TEST_F(CleanupThread, OwnersComeAndGoMeanwhile) {
  options.interval = 0.0001;
  MemoryCleaner cleaner(monitor, options);
  cleaner.start();
  std::vector<std::thread> threads;
  std::atomic<int> own{0};
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        bool alive = true;
        ReclaimHandle mine = registry.add({.name = "mine", .cost = ReclaimCost::Unused}, [&](PressureLevel) {
          EXPECT_TRUE(alive);
          ++own;
          return std::uint64_t{0};
        });
        mine.touch();
        const int before = own;
        for (int spin = 0; spin < 200 && own == before; ++spin) std::this_thread::yield();
        mine.reset();
        alive = false;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  wait_for_calls(3);
}

}  // namespace
}  // namespace sterna
