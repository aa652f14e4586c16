// Adam (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1) on one vector.
#pragma once

#include <cmath>
#include <span>
#include <vector>

namespace sterna {

class Adam {
 public:
  explicit Adam(std::size_t size) : first_(size), second_(size) {}

  /// values −= rate · m̂ / (√v̂ + ε) with the moments m, v of the gradients so far, without their bias to 0.
  void move(std::span<float> values, std::span<const float> gradients, double rate) {
    constexpr double kFirst = 0.9, kSecond = 0.999, kEpsilon = 1e-8;
    first_power_ *= kFirst;
    second_power_ *= kSecond;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double g = gradients[i];
      first_[i] = kFirst * first_[i] + (1 - kFirst) * g;
      second_[i] = kSecond * second_[i] + (1 - kSecond) * g * g;
      const double m = first_[i] / (1 - first_power_), v = second_[i] / (1 - second_power_);
      values[i] = static_cast<float>(values[i] - rate * m / (std::sqrt(v) + kEpsilon));
    }
  }

 private:
  std::vector<double> first_, second_;
  double first_power_ = 1, second_power_ = 1;
};

}  // namespace sterna
