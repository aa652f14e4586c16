// Giving memory back before it runs out: what can be given back, when, and what came of it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/memory.hpp"
#include "sterna/pressure.hpp"

namespace sterna {

/// What it takes to have memory again that was given back.
enum class ReclaimCost : std::uint8_t {
  Unused,  ///< nothing but pages: nobody reads it (free lists, the unused end of a cache)
  Cached,  ///< its content is made anew when it is needed (converted copies)
};

/// Something that holds memory and can do without.
struct Reclaimable {
  std::string name;  ///< in reports; need not be the only one
  ReclaimCost cost = ReclaimCost::Unused;
  std::string pool{};  ///< the watched pool that its bytes count in; empty: none
};

/// Gives back what it can and returns the bytes. `effort` says how much is wanted: at None and Low what is
/// surplus, at Medium and High what costs its owner little, at Critical all. Called on the thread that cleans
/// up, and so must not wait for work in progress: memory in use is left alone, and 0 returned.
using ReclaimCallback = std::function<std::uint64_t(PressureLevel effort)>;

/// Keeps a Reclaimable registered, as a Registration does.
class ReclaimHandle {
 public:
  ReclaimHandle() = default;

  /// Says that the memory is in use: it is not idle, and young again. A few nanoseconds.
  void touch() const noexcept {
    if (uses_) uses_->fetch_add(1, std::memory_order_relaxed);
  }
  void reset() noexcept { registration_.reset(); }

 private:
  friend class ReclaimRegistry;
  std::shared_ptr<std::atomic<std::uint64_t>> uses_;
  Registration registration_;
};

/// Who can give memory back. Any thread may call any function.
class ReclaimRegistry {
 public:
  ReclaimRegistry();
  ~ReclaimRegistry();
  ReclaimRegistry(const ReclaimRegistry&) = delete;
  ReclaimRegistry& operator=(const ReclaimRegistry&) = delete;

  /// Throws InvalidArgument for an empty name or callback.
  [[nodiscard]] ReclaimHandle add(Reclaimable what, ReclaimCallback callback);
  /// trim() of a pool: its arenas up to Low, its threads' caches as well from Medium on. Registered with the
  /// pool's name; the pool must outlive the handle.
  [[nodiscard]] ReclaimHandle add(MemoryPool& pool);

  /// The process's own, never destroyed. It knows the default pool and the C library's heap from the start;
  /// every Session adds what it can do without.
  static ReclaimRegistry& process();

  struct State;
  State& state() const noexcept { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

/// Counts the pool's `held` bytes against its limit under its name; it must outlive the registration.
[[nodiscard]] Registration watch_pool(PressureMonitor& monitor, MemoryPool& pool);

struct CleanupReport;

/// Durations in seconds.
struct CleanupOptions {
  double interval = 1;       ///< between two looks of the background thread
  double cool_down = 5;      ///< before `pressure` and `device` run again, unless the level has risen
  double idle_after = 30;    ///< without a touch and an allocation in a watched pool, before `idle` runs
  double period = 60;        ///< of `periodic`
  double generation = 20;    ///< by which what was not touched grows one generation older
  unsigned generations = 3;  ///< at which `generational` takes it
  std::vector<std::string> strategies{};  ///< by name; empty: all
  /// Called on the thread that cleans up after every run in which a strategy was due.
  std::function<void(const CleanupReport&)> on_cleanup{};
  ReclaimRegistry* registry = nullptr;  ///< null: ReclaimRegistry::process()
};

/// When something is given back, and what. The table has one row for each:
///   pressure      the level of process, cgroup, machine or stalls is medium or higher: what is unused, from
///                 high on what is cached too, until the level is below medium again
///   device        the same for each watched pool that is full, and what counts in it
///   idle          nothing happened for `idle_after`: what is unused, once
///   periodic      every `period`: what is surplus
///   generational  what is cached and was not touched for `generations` generations
struct CleanupStrategyInfo {
  std::string_view name;
  std::string_view summary;
};
std::vector<CleanupStrategyInfo> cleanup_strategies();

/// What one strategy did.
struct StrategyReport {
  /// One call of a Reclaimable.
  struct Call {
    std::string name;
    std::uint64_t bytes = 0;  ///< as its owner counts them; a pool then counts the same bytes when it trims
  };
  std::string_view strategy;
  PressureLevel effort = PressureLevel::None;
  std::vector<Call> calls{};
  std::uint64_t pools_before = 0, pools_after = 0;                   ///< bytes used in all watched pools
  std::optional<std::uint64_t> resident_before{}, resident_after{};  ///< bytes of the process
};

struct CleanupReport {
  PressureReport before, after;
  std::vector<StrategyReport> strategies;  ///< those that were due
};

/// Polls a monitor and runs the strategies that are due: when asked, or on a thread of its own. What a
/// callback throws is logged and goes no further. Any thread may call any function.
class MemoryCleaner {
 public:
  /// The monitor must outlive it. Throws InvalidArgument for a duration that is not positive and finite
  /// (cool_down and idle_after may be 0), for 0 generations and for an unknown strategy.
  explicit MemoryCleaner(PressureMonitor& monitor, CleanupOptions options = {});
  ~MemoryCleaner();  ///< stops
  MemoryCleaner(const MemoryCleaner&) = delete;
  MemoryCleaner& operator=(const MemoryCleaner&) = delete;

  /// One look, on the caller's thread. Throws InvalidArgument when a callback of this
  /// cleaner or of its monitor calls it.
  CleanupReport run_once();

  /// Starts the thread, which looks at once and then every `interval`, asleep in between. Without effect when
  /// it runs. Throws Limit when the system refuses a thread.
  void start();
  /// Ends the thread and waits for it. Without effect when it does not run. Not to be called by a callback.
  void stop() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sterna
