// The table of cleanup strategies.
#pragma once

#include <span>

#include "sterna/cleanup.hpp"

namespace sterna {

/// What a strategy decides by.
struct CleanupState {
  const CleanupOptions& options;
  const PressureReport& pressure;  ///< the latest
  double active_at;                ///< when something was last used
  double since;                    ///< when the strategy last ran; before, when the cleaner was made
  bool ran;                        ///< whether it ever did
  PressureLevel last_effort;       ///< of that time

  double now() const { return pressure.time; }
};

struct CleanupStrategy {
  CleanupStrategyInfo info;
  bool (*due)(const CleanupState& state);
  PressureLevel (*effort)(const CleanupState& state);
  /// `age`: generations without a touch.
  bool (*takes)(const CleanupState& state, const Reclaimable& what, unsigned age);
  bool until_relieved;  ///< looks again after each call and ends when the pressure has
  bool ages;            ///< its runs are the generations
};

/// In the order in which they run.
std::span<const CleanupStrategy> cleanup_strategy_table() noexcept;

}  // namespace sterna
