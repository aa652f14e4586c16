#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "memory/cleanup_strategies.hpp"
#include "memory/guarded.hpp"
#include "memory/reclaim_registry.hpp"
#include "memory/turns.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

using Owners = ReclaimRegistry::State::Owners;
using OwnerEntries = std::vector<std::shared_ptr<Owners::Entry>>;

void check_duration(std::string_view name, double seconds, bool may_be_zero) {
  if (std::isfinite(seconds) && (seconds > 0 || (may_be_zero && seconds == 0))) return;
  throw Error(ErrorCategory::InvalidArgument, "a duration of the cleanup is out of range",
              {{"option", std::string(name)},
               {"found", std::to_string(seconds)},
               {"expected", may_be_zero ? "0 s or more" : "more than 0 s"}});
}

CleanupOptions completed(CleanupOptions options) {
  check_duration("interval", options.interval, false);
  check_duration("cool_down", options.cool_down, true);
  check_duration("idle_after", options.idle_after, true);
  check_duration("period", options.period, false);
  check_duration("generation", options.generation, false);
  if (options.generations == 0) {
    throw Error(ErrorCategory::InvalidArgument, "generations of the cleanup must be positive");
  }
  for (const std::string& name : options.strategies) {
    const auto table = cleanup_strategy_table();
    if (std::ranges::none_of(table, [&](const CleanupStrategy& row) { return row.info.name == name; })) {
      throw Error(ErrorCategory::InvalidArgument, "no such cleanup strategy", {{"found", name}});
    }
  }
  if (options.registry == nullptr) options.registry = &ReclaimRegistry::process();
  return options;
}

std::uint64_t bytes_in_pools(const PressureReport& report) {
  std::uint64_t bytes = 0;
  for (const PressureSource& source : report.sources) bytes += source.pool ? source.used : 0;
  return bytes;
}

}  // namespace

struct MemoryCleaner::State {
  State(PressureMonitor& m, CleanupOptions o)
      : monitor(m), options(completed(std::move(o))), active_at(monitor.now()) {
    for (const CleanupStrategy& row : cleanup_strategy_table()) {
      const auto& names = options.strategies;
      if (names.empty() || std::ranges::find(names, row.info.name) != names.end()) {
        enabled.push_back({&row, active_at});
      }
    }
  }

  /// A strategy and its last run.
  struct Enabled {
    const CleanupStrategy* row;
    double since;  ///< of the last run; before, when the cleaner was made
    bool ran = false;
    PressureLevel effort = PressureLevel::None;
  };
  struct Age {
    std::uint64_t uses;
    unsigned generations;
  };

  CleanupState state_of(const Enabled& strategy, const PressureReport& pressure) const {
    return {.options = options,
            .pressure = pressure,
            .active_at = active_at,
            .since = strategy.since,
            .ran = strategy.ran,
            .last_effort = strategy.effort};
  }

  void note_activity(const OwnerEntries& owners, const PressureReport& pressure) {
    std::uint64_t count = 0;
    for (const auto& owner : owners) count += owner->data.uses->load(std::memory_order_relaxed);
    for (const PressureSource& source : pressure.sources) count += source.events;
    if (count != activity) active_at = pressure.time;
    activity = count;
  }

  void grow_older(const OwnerEntries& owners) {
    std::map<std::shared_ptr<const void>, Age> next;  // the counter is an owner's identity, kept alive
    for (const auto& owner : owners) {
      const std::uint64_t uses = owner->data.uses->load(std::memory_order_relaxed);
      const auto before = ages.find(owner->data.uses);
      const bool untouched = before != ages.end() && before->second.uses == uses;
      next[owner->data.uses] = {uses, untouched ? before->second.generations + 1 : 0};
    }
    ages = std::move(next);
  }

  unsigned age_of(const Owners::Entry& owner) const {
    const auto found = ages.find(owner.data.uses);
    return found == ages.end() ? 0 : found->second.generations;
  }

  /// Calls the owners of one cost that the strategy takes; the bytes that they gave back.
  std::uint64_t reclaim(const Enabled& strategy, const OwnerEntries& owners, ReclaimCost cost,
                        PressureReport& pressure, StrategyReport& report) {
    std::uint64_t bytes = 0;
    for (const auto& owner : owners) {
      const CleanupState now = state_of(strategy, pressure);
      if (owner->data.what.cost != cost || !strategy.row->takes(now, owner->data.what, age_of(*owner)))
        continue;
      StrategyReport::Call call{.name = owner->data.what.name};
      const bool called = owner->call([&](const ReclaimCallback& give_back) {
        guarded("reclaiming " + call.name, [&] { call.bytes = give_back(report.effort); });
      });
      if (!called) continue;
      bytes += call.bytes;
      report.calls.push_back(std::move(call));
      if (strategy.row->until_relieved && report.calls.back().bytes > 0) pressure = monitor.poll();
    }
    return bytes;
  }

  /// What is unused, then what is cached, and then what that left unused.
  StrategyReport run(Enabled& strategy, const OwnerEntries& owners, PressureReport& pressure) {
    StrategyReport report{.strategy = strategy.row->info.name,
                          .effort = strategy.row->effort(state_of(strategy, pressure)),
                          .pools_before = bytes_in_pools(pressure),
                          .resident_before = pressure.readings.resident};
    if (strategy.row->ages) grow_older(owners);
    strategy.since = pressure.time;
    strategy.effort = report.effort;
    strategy.ran = true;
    reclaim(strategy, owners, ReclaimCost::Unused, pressure, report);
    if (reclaim(strategy, owners, ReclaimCost::Cached, pressure, report) > 0) {
      reclaim(strategy, owners, ReclaimCost::Unused, pressure, report);
    }
    pressure = monitor.poll();
    report.pools_after = bytes_in_pools(pressure);
    report.resident_after = pressure.readings.resident;
    return report;
  }

  CleanupReport run_once() {
    CleanupReport report;
    report.before =
        monitor.poll();  // before the turn: a callback of the monitor fails here, and waits for none
    const auto turn = running.take("MemoryCleaner::run_once");
    report.after = report.before;
    const OwnerEntries owners = options.registry->state().owners.entries();
    note_activity(owners, report.before);
    for (Enabled& strategy : enabled) {
      if (!strategy.row->due(state_of(strategy, report.after))) continue;
      report.strategies.push_back(run(strategy, owners, report.after));
    }
    if (options.on_cleanup && !report.strategies.empty()) {
      guarded("the callback of the cleanup", [&] { options.on_cleanup(report); });
    }
    return report;
  }

  void serve() {
    std::unique_lock lock(waking);
    while (!stopping) {
      lock.unlock();
      guarded("the memory cleanup", [&] { run_once(); });
      lock.lock();
      wake.wait_for(lock, std::chrono::duration<double>(options.interval), [&] { return stopping; });
    }
  }

  PressureMonitor& monitor;
  const CleanupOptions options;

  Turns running;  ///< guards what follows
  std::vector<Enabled> enabled;
  double active_at;
  std::uint64_t activity = 0;
  std::map<std::shared_ptr<const void>, Age> ages;

  std::mutex control;  ///< held while the thread is started or ended
  std::thread thread;
  std::mutex waking;
  std::condition_variable wake;
  bool stopping = false;
};

MemoryCleaner::MemoryCleaner(PressureMonitor& monitor, CleanupOptions options)
    : state_(std::make_unique<State>(monitor, std::move(options))) {}

MemoryCleaner::~MemoryCleaner() {
  stop();
}

CleanupReport MemoryCleaner::run_once() {
  return state_->run_once();
}

void MemoryCleaner::start() {
  State& state = *state_;
  const std::lock_guard lock(state.control);
  if (state.thread.joinable()) return;
  state.stopping = false;
  try {
    state.thread = std::thread([&state] { state.serve(); });
  } catch (const std::system_error& error) {
    throw Error(ErrorCategory::Limit, "the system refuses a thread for the memory cleanup",
                {{"reason", error.code().message()}});
  }
}

void MemoryCleaner::stop() noexcept {
  State& state = *state_;
  const std::lock_guard lock(state.control);
  if (!state.thread.joinable()) return;
  {
    const std::lock_guard waking(state.waking);
    state.stopping = true;
  }
  state.wake.notify_all();
  state.thread.join();
}

}  // namespace sterna
