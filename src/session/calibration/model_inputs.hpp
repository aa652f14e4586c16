// The inputs of a model's linear layers.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "model/weights.hpp"
#include "sterna/calibration.hpp"
#include "sterna/model.hpp"

namespace sterna {

struct ModelInputs {
  std::vector<InputStatistics> sums;            ///< nothing added yet; in the order of the forward pass
  std::map<const Linear*, std::size_t> places;  ///< in `sums`, by the first layer that reads the input
};
/// Of blocks [first, last).
ModelInputs inputs_of(const Model& model, bool gram, std::size_t first, std::size_t last);
inline ModelInputs inputs_of(const Model& model, bool gram) {
  return inputs_of(model, gram, 0, model.config().layers);
}

}  // namespace sterna
