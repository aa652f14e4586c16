#include "quantize/calibration/inputs.hpp"

#include <algorithm>

#include "sterna/calibration.hpp"

namespace sterna {

const InputStatistics* Calibration::of(std::string_view linear) const noexcept {
  const auto named = [this](std::string_view block, std::string_view name) -> const InputStatistics* {
    const auto found = std::ranges::find_if(inputs, [&](const InputStatistics& input) {
      const std::string_view whole = input.name;
      return whole.size() == block.size() + name.size() && whole.starts_with(block) && whole.ends_with(name);
    });
    return found == inputs.end() ? nullptr : &*found;
  };
  if (const InputStatistics* own = named(linear, {})) return own;
  const std::size_t dot = linear.rfind('.');
  if (dot == std::string_view::npos) return nullptr;
  for (const LayerInput& input : kLayerInputs) {
    if (std::ranges::count(input.readers(), linear.substr(dot + 1)) > 0)
      return named(linear.substr(0, dot + 1), input.name);
  }
  return nullptr;
}

}  // namespace sterna
