#include "session/calibration/input_gatherer.hpp"

namespace sterna {

InputGatherer::InputGatherer(const ModelInputs& inputs, std::vector<InputStatistics>& sums, std::size_t batch,
                             ThreadPool& pool)
    : inputs_(inputs), sums_(sums), gatherer_(pool, batch) {
  for (const InputStatistics& input : sums) pending_.emplace_back(input.gram.empty() ? 0 : input.channels);
}

void InputGatherer::add(const Linear& first, const float* rows, std::size_t tokens) {
  const std::size_t i = inputs_.places.at(&first);
  gatherer_.add(sums_[i], pending_[i], rows, tokens);
}

void InputGatherer::end_window() {
  for (std::size_t i = 0; i < sums_.size(); ++i) gatherer_.end_window(sums_[i], pending_[i]);
}

}  // namespace sterna
