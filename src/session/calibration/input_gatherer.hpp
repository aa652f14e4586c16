// Statistics of what some blocks' linear layers are given, from a forward pass that is observed.
#pragma once

#include <cstddef>
#include <vector>

#include "model/forward.hpp"
#include "quantize/calibration/statistics.hpp"
#include "session/calibration/model_inputs.hpp"

namespace sterna {

/// Adds to sums as inputs_of made them. Threads and batch change nothing.
class InputGatherer {
 public:
  /// Batches of at most `batch` tokens. Everything must outlive it.
  InputGatherer(const ModelInputs& inputs, std::vector<InputStatistics>& sums, std::size_t batch,
                ThreadPool& pool);

  /// For Forward::observe.
  void add(const Linear& first, const float* rows, std::size_t tokens);
  void end_window();

 private:
  const ModelInputs& inputs_;
  std::vector<InputStatistics>& sums_;
  StatisticsGatherer gatherer_;
  std::vector<GramRows> pending_;
};

}  // namespace sterna
