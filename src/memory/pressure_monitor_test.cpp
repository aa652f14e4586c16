#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <random>
#include <thread>
#include <vector>

#include "sterna/error.hpp"
#include "sterna/log.hpp"
#include "sterna/pressure.hpp"

namespace sterna {
namespace {

constexpr std::uint64_t kTotal = 1'000'000;

class Pressure : public ::testing::Test {
 protected:
  Pressure() {
    options.readings = [this] { return readings; };
    options.clock = [this] { return time; };
  }
  ~Pressure() override { set_log_sink({}); }

  /// The process uses this share of the machine.
  void use(double share) {
    readings.total = kTotal;
    readings.resident = static_cast<std::uint64_t>(share * kTotal + 0.5);
  }

  MemoryReadings readings;
  double time = 100;
  PressureOptions options;
};

TEST_F(Pressure, WithoutReadingsThereIsNone) {
  PressureMonitor monitor(options);
  EXPECT_EQ(monitor.last().sources.size(), 0u);
  const PressureReport report = monitor.poll();
  EXPECT_EQ(report.level, PressureLevel::None);
  EXPECT_EQ(report.source, "");
  EXPECT_EQ(report.time, 100);
  EXPECT_TRUE(report.sources.empty());
}

TEST_F(Pressure, LevelsBeginAtTheThresholdsOfEveryPreset) {
  const std::pair<PressureOptions, std::array<double, 4>> presets[] = {
      {PressureOptions::conservative(), {0.60, 0.70, 0.80, 0.90}},
      {PressureOptions::standard(), {0.70, 0.80, 0.90, 0.95}},
      {PressureOptions::aggressive(), {0.80, 0.88, 0.94, 0.98}}};
  for (const auto& [preset, thresholds] : presets) {
    options.usage = preset.usage;
    for (std::size_t i = 0; i < 4; ++i) {
      PressureMonitor monitor(options);
      use(thresholds[i] - 1e-5);
      EXPECT_EQ(monitor.poll().level, static_cast<PressureLevel>(i)) << thresholds[i];
      use(thresholds[i]);
      EXPECT_EQ(monitor.poll().level, static_cast<PressureLevel>(i + 1)) << thresholds[i];
    }
  }
}

TEST_F(Pressure, EverySourceCountsAndTheHighestWins) {
  readings = {.resident = 300'000,
              .total = kTotal,
              .available = 280'000,
              .cgroup = CgroupMemory{.limit = 1000, .usage = 1000, .inactive_file = 150},
              .stalls = MemoryStalls{.some = 0.05, .full = 0},
              .cgroup_stalls = MemoryStalls{.some = 0.04, .full = 0.04}};
  options.process_limit = 310'000;
  PressureMonitor monitor(options);
  auto pool = monitor.watch("tensors", [] { return PoolUse{.used = 92, .limit = 100}; });
  const auto unlimited = monitor.watch("unlimited", [] { return PoolUse{.used = 92}; });
  const PressureReport report = monitor.poll();
  ASSERT_EQ(report.sources.size(), 7u);
  const std::pair<std::string_view, PressureLevel> expected[] = {
      {"process", PressureLevel::Critical},   {"cgroup", PressureLevel::Medium},
      {"machine", PressureLevel::Low},        {"stalls", PressureLevel::Low},
      {"cgroup stalls", PressureLevel::None}, {"tensors", PressureLevel::High},
      {"unlimited", PressureLevel::None}};
  for (const auto& [name, level] : expected) {
    ASSERT_NE(report.find(name), nullptr) << name;
    EXPECT_EQ(report.find(name)->level, level) << name;
  }
  EXPECT_EQ(report.level, PressureLevel::Critical);
  EXPECT_EQ(report.source, "process");
  EXPECT_EQ(report.find("cgroup")->used, 850u);
  EXPECT_TRUE(report.find("tensors")->pool);
  readings.resident = 0;
  EXPECT_EQ(monitor.poll().source, "tensors");
  pool.reset();
  EXPECT_EQ(monitor.poll().find("tensors"), nullptr);
}

TEST_F(Pressure, ALimitOfNothingIsFull) {
  readings.cgroup = CgroupMemory{.limit = 0, .usage = 1, .inactive_file = 0};
  PressureMonitor monitor(options);
  EXPECT_EQ(monitor.poll().level, PressureLevel::Critical);
  readings.cgroup->usage = 0;
  EXPECT_EQ(monitor.poll().level, PressureLevel::None);
}

TEST_F(Pressure, ALevelHoldsUntilTheShareIsWellBelow) {
  options.hysteresis = 0.05;
  PressureMonitor monitor(options);
  const std::pair<double, PressureLevel> steps[] = {
      {0.89, PressureLevel::Medium},   {0.90, PressureLevel::High},      {0.86, PressureLevel::High},
      {0.89, PressureLevel::High},     {0.854, PressureLevel::Medium},   {0.89, PressureLevel::Medium},
      {0.96, PressureLevel::Critical}, {0.903, PressureLevel::Critical}, {0.902, PressureLevel::High},
      {0.10, PressureLevel::None},     {0.69, PressureLevel::None}};
  for (const auto& [share, level] : steps) {
    use(share);
    EXPECT_EQ(monitor.poll().level, level) << share;
  }
}

/// Whatever the shares do: a level is never lower than its threshold says, never holds below what the
/// hysteresis allows, and a share that swings by less than the hysteresis changes it once at most.
TEST_F(Pressure, HysteresisOnRandomWalks) {
  std::mt19937 random(4);
  std::uniform_real_distribution<double> start(0, 1.1), step(-0.05, 0.05);
  const double thresholds[] = {0.70, 0.80, 0.90, 0.95};
  std::size_t held = 0;
  for (int walk = 0; walk < 200; ++walk) {
    PressureMonitor monitor(options);
    double share = start(random);
    PressureLevel before = PressureLevel::None;
    for (int i = 0; i < 100; ++i) {
      share = std::clamp(share + step(random), 0.0, 1.2);
      use(share);
      const double exact = static_cast<double>(*readings.resident) / kTotal;
      const auto level = static_cast<std::size_t>(monitor.poll().level);
      EXPECT_LT(exact, level < 4 ? thresholds[level] : 2.0);
      if (level > 0 && exact < thresholds[level - 1]) {
        ++held;
        EXPECT_GE(static_cast<std::size_t>(before), level);
        EXPECT_GE(exact, thresholds[level - 1] * 0.95 - 1e-9);
      }
      before = static_cast<PressureLevel>(level);
    }
  }
  EXPECT_GT(held, 100u);
  for (const double threshold : thresholds) {
    PressureMonitor monitor(options);
    std::uniform_real_distribution<double> swing(threshold * 0.951, threshold * 1.02);
    std::size_t changes = 0;
    PressureLevel before = PressureLevel::None;
    for (int i = 0; i < 1000; ++i) {
      use(std::min(swing(random), threshold == 0.90 ? 0.949 : 1.0));
      const PressureLevel level = monitor.poll().level;
      changes += i > 0 && level != before;
      before = level;
    }
    EXPECT_LE(changes, 1u) << threshold;
  }
}

TEST_F(Pressure, TellsOfChangesOnceAndCoolsDown) {
  PressureMonitor monitor(options);
  std::vector<std::pair<double, PressureLevel>> told;
  const auto listening =
      monitor.on_change([&](const PressureReport& report) { told.emplace_back(report.time, report.level); },
                        PressureLevel::Medium, 10);
  const auto at = [&](double when, double share) {
    time = when;
    use(share);
    monitor.poll();
  };
  at(0, 0.75);   // low is not its concern
  at(1, 0.85);   // told: medium
  at(2, 0.85);   // nothing new
  at(3, 0.97);   // told at once: it rose
  at(4, 0.85);   // fell too soon after
  at(12, 0.85);  // still too soon
  at(13, 0.85);  // told
  at(23, 0.10);  // told: it is over
  at(40, 0.75);  // low again: not its concern
  const std::vector<std::pair<double, PressureLevel>> expected = {{1, PressureLevel::Medium},
                                                                  {3, PressureLevel::Critical},
                                                                  {13, PressureLevel::Medium},
                                                                  {23, PressureLevel::None}};
  EXPECT_EQ(told, expected);
}

/// Random levels and times: no call within the cool-down but for a rise, no call without news, and whoever
/// waits for the cool-down knows the level.
TEST_F(Pressure, CoolDownOnRandomWalks) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> share(0.5, 1.0), pause(0, 4);
  std::uniform_int_distribution<int> pick(1, 4);
  std::size_t calls = 0, waits = 0;
  for (int walk = 0; walk < 200; ++walk) {
    const auto from = static_cast<PressureLevel>(pick(random));
    const double cool_down = pause(random);
    PressureMonitor monitor(options);
    PressureLevel told = PressureLevel::None;
    double told_at = -1e9;
    const auto listening = monitor.on_change(
        [&](const PressureReport& report) {
          EXPECT_NE(report.level, told);
          EXPECT_TRUE(report.level >= from || told >= from);
          EXPECT_TRUE(report.level > told || report.time - told_at >= cool_down);
          told = report.level;
          told_at = report.time;
          ++calls;
        },
        from, cool_down);
    for (int i = 0; i < 100; ++i) {
      time += pause(random);
      use(share(random));
      const PressureLevel level = monitor.poll().level;
      const bool cooled = time - told_at >= cool_down;
      EXPECT_TRUE(level < from || (level <= told && !cooled) || level == told);
      EXPECT_TRUE(level >= from || !cooled || told < from);
      waits += level != told;
    }
  }
  EXPECT_GT(calls, 1000u);
  EXPECT_GT(waits, 1000u);
}

TEST_F(Pressure, CallbacksMayThrowPollAndEndThemselves) {
  std::vector<std::string> log;
  set_log_sink([&](LogLevel, std::string_view message) { log.emplace_back(message); });
  PressureMonitor monitor(options);
  int ended = 0, after = 0;
  const auto throwing = monitor.on_change([](const PressureReport&) { throw std::runtime_error("tired"); });
  const auto polling = monitor.on_change([&](const PressureReport&) { monitor.poll(); });
  Registration ending = monitor.on_change(
      [&](const PressureReport&) {
        ++ended;
        ending.reset();
      },
      PressureLevel::Low, 0);
  const auto last = monitor.on_change([&](const PressureReport&) { ++after; }, PressureLevel::Low, 0);
  use(0.75);
  monitor.poll();
  use(0.85);
  monitor.poll();
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(after, 2);
  ASSERT_EQ(log.size(), 4u);
  EXPECT_NE(log[0].find("tired"), std::string::npos);
  EXPECT_NE(log[1].find("PressureMonitor::poll"), std::string::npos);
}

TEST_F(Pressure, APoolThatCannotBeReadIsLeftOut) {
  PressureMonitor monitor(options);
  const auto pool = monitor.watch("broken", []() -> PoolUse { throw std::runtime_error("no"); });
  EXPECT_TRUE(monitor.poll().sources.empty());
}

/// The end of a registration waits for the call that runs, and none comes afterwards.
TEST_F(Pressure, EndingARegistrationWaitsForItsCallback) {
  for (int round = 0; round < 20; ++round) {
    PressureMonitor monitor(options);
    use(0.75);
    std::atomic<bool> inside{false}, alive{true};
    Registration registration = monitor.on_change([&](const PressureReport&) {
      inside = true;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      EXPECT_TRUE(alive);
    });
    std::thread poller([&] { monitor.poll(); });
    while (!inside) std::this_thread::yield();
    registration.reset();
    alive = false;
    poller.join();
    use(0.85);
    monitor.poll();
  }
}

TEST_F(Pressure, AnyThreadMayPollListenAndWatch) {
  PressureMonitor monitor(options);
  use(0.75);
  std::atomic<int> calls{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const auto listening = monitor.on_change([&](const PressureReport&) { ++calls; });
        const auto pool =
            monitor.watch("pool " + std::to_string(t), [] { return PoolUse{.used = 1, .limit = 2}; });
        EXPECT_NE(monitor.poll().find("pool " + std::to_string(t)), nullptr);
        EXPECT_LE(monitor.last().sources.size(), 5u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(calls, 150);
}

TEST_F(Pressure, RefusesOptionsThatMakeNoSense) {
  const auto refuses = [&](auto change) {
    PressureOptions wrong = options;
    change(wrong);
    try {
      PressureMonitor monitor(wrong);
      return false;
    } catch (const Error& error) {
      return error.category() == ErrorCategory::InvalidArgument;
    }
  };
  EXPECT_TRUE(refuses([](auto& o) { o.usage.low = 0; }));
  EXPECT_TRUE(refuses([](auto& o) { o.usage.low = o.usage.medium; }));
  EXPECT_TRUE(refuses([](auto& o) { o.usage.high = 0.99; }));
  EXPECT_TRUE(refuses([](auto& o) { o.stalls.critical = 1.01; }));
  EXPECT_TRUE(refuses([](auto& o) { o.stalls.low = std::nan(""); }));
  EXPECT_TRUE(refuses([](auto& o) { o.hysteresis = 1; }));
  EXPECT_TRUE(refuses([](auto& o) { o.hysteresis = -0.01; }));
  EXPECT_FALSE(refuses([](auto& o) { o.hysteresis = 0; }));
  PressureMonitor monitor(options);
  const auto use_of = [] { return PoolUse{}; };
  const auto taken = monitor.watch("a", use_of);
  EXPECT_THROW((void)monitor.watch("a", use_of), Error);
  EXPECT_THROW((void)monitor.watch("cgroup", use_of), Error);
  EXPECT_THROW((void)monitor.watch("", use_of), Error);
  EXPECT_THROW((void)monitor.watch("b", {}), Error);
  EXPECT_THROW((void)monitor.on_change({}), Error);
  EXPECT_THROW((void)monitor.on_change([](const PressureReport&) {}, PressureLevel::Low, -1), Error);
}

TEST(SystemPressure, ReadsThisMachine) {
  PressureMonitor monitor;
  const PressureReport report = monitor.poll();
  ASSERT_NE(report.find("process"), nullptr);
  ASSERT_NE(report.find("machine"), nullptr);
  EXPECT_GT(report.find("process")->share, 0);
  EXPECT_LT(report.find("machine")->share, 1);
  EXPECT_GE(report.time, 0);
  EXPECT_EQ(monitor.last().level, report.level);
}

}  // namespace
}  // namespace sterna
