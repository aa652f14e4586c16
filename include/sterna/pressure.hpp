// How near this process is to running out of memory, and who wants to hear of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/memory_readings.hpp"
#include "sterna/registration.hpp"

namespace sterna {

enum class PressureLevel : std::uint8_t { None, Low, Medium, High, Critical };
/// "none", "low", …
std::string_view to_string(PressureLevel level) noexcept;

/// The share, 0 to 1, from which each level holds.
struct PressureThresholds {
  double low = 0.70;
  double medium = 0.80;
  double high = 0.90;
  double critical = 0.95;
};

struct PressureOptions {
  /// Of used bytes over the limit: of the process, its control group, the machine and every watched pool.
  PressureThresholds usage{};
  /// Of time stalled for memory, `some` of PSI. A machine that waits for pages a tenth of its time is already
  /// slow: the kernel's own example of a trigger is 15 %, and Android frees memory from 10 % on.
  PressureThresholds stalls{.low = 0.05, .medium = 0.10, .high = 0.20, .critical = 0.40};
  /// A level once reached holds until the share falls below (1 − hysteresis) · its threshold, so that a share
  /// which swings around a threshold changes nothing.
  double hysteresis = 0.05;
  /// Resident bytes that the process may use; 0: the machine's memory.
  std::uint64_t process_limit = 0;

  std::function<MemoryReadings()> readings{};  ///< empty: read_memory()
  std::function<double()> clock{};             ///< seconds, never decreasing; empty: a steady clock

  static PressureOptions standard() { return {}; }
  /// Frees early and leaves the machine to others: 60, 70, 80, 90 %.
  static PressureOptions conservative();
  /// Uses memory nearly to the limit: 80, 88, 94, 98 %.
  static PressureOptions aggressive();
};

/// What a pool has, and may have.
struct PoolUse {
  std::uint64_t used = 0;    ///< bytes
  std::uint64_t limit = 0;   ///< bytes; 0: none, and then no pressure comes from it
  std::uint64_t events = 0;  ///< allocations so far: a count that stands still says that the pool is idle
};

/// One thing that can run short.
struct PressureSource {
  std::string name;  ///< "process", "cgroup", "machine", "stalls", "cgroup stalls", or a watched pool's
  bool pool = false;
  double share = 0;          ///< of the limit, or of time
  std::uint64_t used = 0;    ///< bytes; 0 for stalls
  std::uint64_t limit = 0;   ///< bytes; 0 for stalls, and for a pool without one
  std::uint64_t events = 0;  ///< of a pool
  PressureLevel level = PressureLevel::None;
};

struct PressureReport {
  double time = 0;                            ///< by the monitor's clock
  PressureLevel level = PressureLevel::None;  ///< the highest of the sources
  std::string source;                         ///< whose; of equals the first. Empty at None
  std::vector<PressureSource> sources;        ///< those that could be read
  MemoryReadings readings;

  /// The source of that name, or null.
  const PressureSource* find(std::string_view name) const noexcept;
};

using PressureCallback = std::function<void(const PressureReport&)>;

/// Looks at memory when asked and tells of changes. It has no thread of its own; a MemoryCleaner polls it.
/// Any thread may call any function.
class PressureMonitor {
 public:
  /// Throws InvalidArgument unless 0 < low < medium < high < critical ≤ 1, for usage and for stalls, and
  /// 0 ≤ hysteresis < 1.
  explicit PressureMonitor(PressureOptions options = {});
  ~PressureMonitor();
  PressureMonitor(const PressureMonitor&) = delete;
  PressureMonitor& operator=(const PressureMonitor&) = delete;

  /// Counts a pool among the sources from the next poll on. Throws InvalidArgument for an empty or taken
  /// name. What `use` throws leaves the pool out of that poll.
  [[nodiscard]] Registration watch(std::string name, std::function<PoolUse()> use);

  /// Calls `callback` from poll(), on its thread, when the level differs from what this callback heard last
  /// (None at first) and either of the two is at least `from`. Within `cool_down` seconds of a call only a
  /// higher level is told; what is still true afterwards is told then. Throws InvalidArgument for a negative
  /// cool-down. What the callback throws is logged and goes no further.
  [[nodiscard]] Registration on_change(PressureCallback callback, PressureLevel from = PressureLevel::Low,
                                       double cool_down = 10);

  /// Reads everything and tells whoever wants to know. One thread at a time; throws InvalidArgument when a
  /// callback of this monitor calls it.
  PressureReport poll();
  /// The last poll's report; an empty one before the first.
  PressureReport last() const;
  /// By the monitor's clock.
  double now() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sterna
