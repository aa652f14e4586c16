#include <array>
#include <map>
#include <mutex>
#include <optional>

#include "base/clock.hpp"
#include "memory/callback_list.hpp"
#include "memory/guarded.hpp"
#include "memory/turns.hpp"
#include "sterna/error.hpp"
#include "sterna/pressure.hpp"

namespace sterna {
namespace {

struct Share {
  double share;
  std::uint64_t used = 0, limit = 0;
};

Share share_of_limit(std::uint64_t used, std::uint64_t limit) {
  if (limit == 0) return {used > 0 ? 1.0 : 0.0, used, limit};
  return {static_cast<double>(used) / static_cast<double>(limit), used, limit};
}

std::optional<Share> process(const MemoryReadings& readings, std::uint64_t process_limit) {
  const auto limit = process_limit > 0 ? process_limit : readings.total;
  if (!readings.resident || !limit) return std::nullopt;
  return share_of_limit(*readings.resident, *limit);
}

std::optional<Share> cgroup(const MemoryReadings& readings, std::uint64_t) {
  if (!readings.cgroup) return std::nullopt;
  return share_of_limit(readings.cgroup->working_set(), readings.cgroup->limit);
}

std::optional<Share> machine(const MemoryReadings& readings, std::uint64_t) {
  if (!readings.total || !readings.available || *readings.available > *readings.total) return std::nullopt;
  return share_of_limit(*readings.total - *readings.available, *readings.total);
}

std::optional<Share> stalls(const MemoryReadings& readings, std::uint64_t) {
  return readings.stalls ? std::optional(Share{readings.stalls->some}) : std::nullopt;
}

std::optional<Share> cgroup_stalls(const MemoryReadings& readings, std::uint64_t) {
  return readings.cgroup_stalls ? std::optional(Share{readings.cgroup_stalls->some}) : std::nullopt;
}

struct SystemSource {
  std::string_view name;
  PressureThresholds PressureOptions::*thresholds;
  std::optional<Share> (*read)(const MemoryReadings& readings, std::uint64_t process_limit);
};

constexpr SystemSource kSystemSources[] = {
    {"process", &PressureOptions::usage, process},
    {"cgroup", &PressureOptions::usage, cgroup},
    {"machine", &PressureOptions::usage, machine},
    {"stalls", &PressureOptions::stalls, stalls},
    {"cgroup stalls", &PressureOptions::stalls, cgroup_stalls},
};

std::array<double, 4> ascending(const PressureThresholds& thresholds) {
  return {thresholds.low, thresholds.medium, thresholds.high, thresholds.critical};
}

/// The highest level whose threshold the share reaches, or of those up to the level that held, nearly
/// reaches.
PressureLevel level_of(double share, const PressureThresholds& thresholds, double hysteresis,
                       PressureLevel held) {
  const auto from = ascending(thresholds);
  for (std::size_t i = from.size(); i-- > 0;) {
    const auto level = static_cast<PressureLevel>(i + 1);
    if (share >= (held >= level ? from[i] * (1 - hysteresis) : from[i])) return level;
  }
  return PressureLevel::None;
}

void check(const PressureThresholds& thresholds, std::string_view what) {
  double below = 0;
  for (const double threshold : ascending(thresholds)) {
    if (!(threshold > below && threshold <= 1)) {
      throw Error(ErrorCategory::InvalidArgument, "thresholds of pressure must rise",
                  {{"of", std::string(what)},
                   {"found", std::to_string(threshold)},
                   {"expected", "more than " + std::to_string(below) + ", at most 1"}});
    }
    below = threshold;
  }
}

PressureOptions completed(PressureOptions options) {
  check(options.usage, "usage");
  check(options.stalls, "stalls");
  if (!(options.hysteresis >= 0 && options.hysteresis < 1)) {
    throw Error(ErrorCategory::InvalidArgument, "the hysteresis of pressure is a share",
                {{"found", std::to_string(options.hysteresis)}, {"expected", "0 to less than 1"}});
  }
  if (!options.readings) options.readings = [] { return read_memory(); };
  if (!options.clock) options.clock = [clock = Stopwatch()] { return clock.seconds(); };
  return options;
}

/// What a callback was told, and wants.
struct Listener {
  PressureLevel from;
  double cool_down;
  PressureLevel told = PressureLevel::None;
  std::optional<double> told_at{};

  bool wants(PressureLevel level, double now) const {
    if (level == told || (level < from && told < from)) return false;
    return level > told || !told_at || now - *told_at >= cool_down;
  }
};

}  // namespace

std::string_view to_string(PressureLevel level) noexcept {
  constexpr std::string_view kNames[] = {"none", "low", "medium", "high", "critical"};
  return kNames[static_cast<std::size_t>(level)];
}

PressureOptions PressureOptions::conservative() {
  return {.usage = {.low = 0.60, .medium = 0.70, .high = 0.80, .critical = 0.90}};
}
PressureOptions PressureOptions::aggressive() {
  return {.usage = {.low = 0.80, .medium = 0.88, .high = 0.94, .critical = 0.98}};
}

const PressureSource* PressureReport::find(std::string_view name) const noexcept {
  for (const PressureSource& s : sources) {
    if (s.name == name) return &s;
  }
  return nullptr;
}

struct PressureMonitor::State {
  explicit State(PressureOptions o) : options(std::move(o)) {}

  /// Adds a source to the report, with the level that it has now.
  void judge(PressureSource source, const PressureThresholds& thresholds, PressureReport& report) const {
    const auto before = held.find(source.name);
    source.level = level_of(source.share, thresholds, options.hysteresis,
                            before == held.end() ? PressureLevel::None : before->second);
    if (source.level > report.level) {
      report.level = source.level;
      report.source = source.name;
    }
    report.sources.push_back(std::move(source));
  }

  PressureReport look() {
    PressureReport report;
    report.time = options.clock();
    report.readings = options.readings();
    for (const SystemSource& row : kSystemSources) {
      if (const auto share = row.read(report.readings, options.process_limit)) {
        judge({.name = std::string(row.name),
               .share = share->share,
               .used = share->used,
               .limit = share->limit},
              options.*row.thresholds, report);
      }
    }
    for (const auto& pool : pools.entries()) {
      PoolUse use;
      bool read = false;
      pool->call([&](const auto& function) {
        read = guarded("reading the use of pool " + pool->data, [&] { use = function(); });
      });
      if (!read) continue;
      judge({.name = pool->data,
             .pool = true,
             .share = use.limit > 0 ? share_of_limit(use.used, use.limit).share : 0,
             .used = use.used,
             .limit = use.limit,
             .events = use.events},
            options.usage, report);
    }
    held.clear();
    for (const PressureSource& source : report.sources) held[source.name] = source.level;
    return report;
  }

  void tell(const PressureReport& report) {
    for (const auto& listener : listeners.entries()) {
      if (!listener->data.wants(report.level, report.time)) continue;
      listener->call([&](const PressureCallback& callback) {
        listener->data.told = report.level;
        listener->data.told_at = report.time;
        guarded("a callback of the memory pressure", [&] { callback(report); });
      });
    }
  }

  PressureOptions options;
  CallbackList<std::string, PoolUse()> pools;  ///< by name
  CallbackList<Listener, void(const PressureReport&)> listeners;
  std::mutex naming;  ///< held while a pool is added

  Turns polling;
  std::map<std::string, PressureLevel, std::less<>> held;  ///< each source's level at the last poll

  mutable std::mutex last_mutex;
  PressureReport last;
};

PressureMonitor::PressureMonitor(PressureOptions options)
    : state_(std::make_unique<State>(completed(std::move(options)))) {}
PressureMonitor::~PressureMonitor() = default;

Registration PressureMonitor::watch(std::string name, std::function<PoolUse()> use) {
  const std::lock_guard lock(state_->naming);
  bool taken = name.empty();
  for (const SystemSource& row : kSystemSources) taken = taken || row.name == name;
  // One that has ended may still be listed, in the hands of a thread that looks.
  for (const auto& pool : state_->pools.entries()) taken = taken || (pool->live && pool->data == name);
  if (taken || !use) {
    throw Error(ErrorCategory::InvalidArgument, "a watched pool needs a name of its own and a function",
                {{"found", name}});
  }
  return Registration(state_->pools.add(std::move(name), std::move(use)));
}

Registration PressureMonitor::on_change(PressureCallback callback, PressureLevel from, double cool_down) {
  if (!callback || !(cool_down >= 0)) {
    throw Error(ErrorCategory::InvalidArgument, "a callback needs a function and a cool-down of 0 s or more",
                {{"found", std::to_string(cool_down)}});
  }
  return Registration(
      state_->listeners.add(Listener{.from = from, .cool_down = cool_down}, std::move(callback)));
}

PressureReport PressureMonitor::poll() {
  State& state = *state_;
  const auto turn = state.polling.take("PressureMonitor::poll");
  PressureReport report = state.look();
  {
    const std::lock_guard last_lock(state.last_mutex);
    state.last = report;
  }
  state.tell(report);
  return report;
}

PressureReport PressureMonitor::last() const {
  const std::lock_guard lock(state_->last_mutex);
  return state_->last;
}

double PressureMonitor::now() const {
  return state_->options.clock();
}

}  // namespace sterna
