#include "memory/cleanup_strategies.hpp"

#include <algorithm>

namespace sterna {
namespace {

PressureLevel highest(const PressureReport& report, bool of_pools) {
  PressureLevel level = PressureLevel::None;
  for (const PressureSource& source : report.sources) {
    if (source.pool == of_pools) level = std::max(level, source.level);
  }
  return level;
}

PressureLevel of_system(const CleanupState& state) {
  return highest(state.pressure, /*of_pools=*/false);
}
PressureLevel of_pools(const CleanupState& state) {
  return highest(state.pressure, /*of_pools=*/true);
}
template <PressureLevel level>
PressureLevel always(const CleanupState&) {
  return level;
}

/// Pressure that calls for a run, unless there was one just now for as much.
bool presses(const CleanupState& state, PressureLevel level) {
  const bool rested = state.now() - state.since >= state.options.cool_down;
  return level >= PressureLevel::Medium && (!state.ran || level > state.last_effort || rested);
}

/// What a level is worth: from Medium on what is unused, from High on what must be made anew, too.
bool worth(const Reclaimable& what, PressureLevel level) {
  return level >= (what.cost == ReclaimCost::Unused ? PressureLevel::Medium : PressureLevel::High);
}

bool unused(const CleanupState&, const Reclaimable& what, unsigned) {
  return what.cost == ReclaimCost::Unused;
}

constexpr CleanupStrategy kTable[] = {
    {.info = {"pressure", "the process, its control group or the machine runs short"},
     .due = [](const CleanupState& state) { return presses(state, of_system(state)); },
     .effort = of_system,
     .takes = [](const CleanupState& state, const Reclaimable& what,
                 unsigned) { return worth(what, of_system(state)); },
     .until_relieved = true,
     .ages = false},
    {.info = {"device", "a watched pool is nearly full: what counts in it"},
     .due = [](const CleanupState& state) { return presses(state, of_pools(state)); },
     .effort = of_pools,
     .takes =
         [](const CleanupState& state, const Reclaimable& what, unsigned) {
           const PressureSource* pool = state.pressure.find(what.pool);
           return pool != nullptr && pool->pool && worth(what, pool->level);
         },
     .until_relieved = true,
     .ages = false},
    {.info = {"idle", "nothing happened for a while: what is unused, once"},
     .due =
         [](const CleanupState& state) {
           return state.now() - state.active_at >= state.options.idle_after &&
                  !(state.ran && state.since >= state.active_at);
         },
     .effort = always<PressureLevel::High>,
     .takes = unused,
     .until_relieved = false,
     .ages = false},
    {.info = {"periodic", "from time to time: what is surplus"},
     .due = [](const CleanupState& state) { return state.now() - state.since >= state.options.period; },
     .effort = always<PressureLevel::Low>,
     .takes = unused,
     .until_relieved = false,
     .ages = false},
    {.info = {"generational", "what can be made anew and was not touched for generations"},
     .due = [](const CleanupState& state) { return state.now() - state.since >= state.options.generation; },
     .effort = always<PressureLevel::High>,
     .takes =
         [](const CleanupState& state, const Reclaimable& what, unsigned age) {
           return what.cost == ReclaimCost::Cached && age >= state.options.generations;
         },
     .until_relieved = false,
     .ages = true},
};

}  // namespace

std::span<const CleanupStrategy> cleanup_strategy_table() noexcept {
  return kTable;
}

std::vector<CleanupStrategyInfo> cleanup_strategies() {
  std::vector<CleanupStrategyInfo> infos;
  for (const CleanupStrategy& row : kTable) infos.push_back(row.info);
  return infos;
}

}  // namespace sterna
