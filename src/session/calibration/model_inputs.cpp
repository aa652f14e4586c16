#include "session/calibration/model_inputs.hpp"

#include <algorithm>
#include <string>

#include "model/model_impl.hpp"
#include "quantize/calibration/inputs.hpp"
#include "quantize/calibration/statistics.hpp"

namespace sterna {

ModelInputs inputs_of(const Model& model, bool gram, std::size_t first, std::size_t last) {
  ModelInputs inputs;
  const auto add = [&](const Linear& linear, const std::string& name) {
    inputs.places.emplace(&linear, inputs.sums.size());
    inputs.sums.push_back(start_statistics(name, linear.matrix.cols, gram));
  };
  for (std::size_t n = first; n < last; ++n) {
    const Layer& layer = model.impl().weights.layers[n];
    const std::string block = "blk." + std::to_string(n) + ".";
    const Linear* const linears[] = {&layer.query, &layer.key, &layer.value, &layer.attention_output,
                                     &layer.gate,  &layer.up,  &layer.down};
    const Linear* const* at = linears;
    for (const LayerInput& input : kLayerInputs) {
      const auto readers = input.readers();
      // Layers that normalise for themselves are each fed with rows of their own.
      const bool apart = readers.size() > 1 && std::any_of(at, at + readers.size(), [](const Linear* linear) {
                           return !linear->input_norm.empty();
                         });
      if (!apart) add(**at, block + std::string(input.name));
      for (std::size_t i = 0; apart && i < readers.size(); ++i) add(*at[i], block + std::string(readers[i]));
      at += readers.size();
    }
  }
  return inputs;
}

}  // namespace sterna
