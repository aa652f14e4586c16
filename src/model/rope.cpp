#include "model/rope.hpp"

#include <cmath>

namespace sterna {

RopeAngles::RopeAngles(const RopeConfig& config) : frequencies_(config.dimensions / 2) {
  for (std::size_t i = 0; i < frequencies_.size(); ++i) {
    double frequency =
        std::pow(config.theta, -2.0 * static_cast<double>(i) / config.dimensions) / config.linear_factor;
    if (!config.frequency_factors.empty()) frequency /= static_cast<double>(config.frequency_factors[i]);
    frequencies_[i] = static_cast<float>(frequency);
  }
}

void RopeAngles::at(std::uint32_t position, float* cosines, float* sines) const {
  for (std::size_t i = 0; i < frequencies_.size(); ++i) {
    const float angle = static_cast<float>(position) * frequencies_[i];
    cosines[i] = static_cast<float>(std::cos(static_cast<double>(angle)));
    sines[i] = static_cast<float>(std::sin(static_cast<double>(angle)));
  }
}

}  // namespace sterna
