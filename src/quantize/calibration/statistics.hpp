// Gathering the statistics of an input, some rows after another.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "platform/thread_pool.hpp"
#include "quantize/calibration/gram.hpp"
#include "sterna/calibration.hpp"

namespace sterna {

/// While they are gathered, statistics hold sums where they will hold means: mean, variance, skewness and
/// kurtosis are Σx, Σx², Σx³ and Σx⁴, second_moments are Σx², and gram is Σx·xᵀ, in tiles on and above the
/// diagonal.
InputStatistics start_statistics(std::string name, std::uint64_t channels, bool gram);
/// Sums to means.
void finish_statistics(InputStatistics& sums);

/// Adds rows to the sums of one input after another. Threads take tokens where a token's numbers stand for
/// themselves or are counts, and channels or tiles where floats are summed.
class StatisticsGatherer {
 public:
  StatisticsGatherer(ThreadPool& pool, std::size_t batch);

  /// rows [tokens, channels], tokens ≤ batch; `pending` is the input's own. Throws Unsupported for a number
  /// that is not finite.
  void add(InputStatistics& sums, GramRows& pending, const float* rows, std::size_t tokens);
  /// Ends a window: what follows does not depend on how many rows there were.
  void end_window(InputStatistics& sums, GramRows& pending);

 private:
  struct TokenSums {
    float least, most;
    double powers[4];  ///< Σx, Σx², Σx³, Σx⁴
  };
  ThreadPool& pool_;
  std::vector<TokenSums> tokens_;
  std::vector<std::uint64_t> counts_;  ///< [threads, kMagnitudeBins]
};

}  // namespace sterna
