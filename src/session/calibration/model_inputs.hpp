// The inputs of a model's linear layers.
#pragma once

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
ModelInputs inputs_of(const Model& model, bool gram);

}  // namespace sterna
