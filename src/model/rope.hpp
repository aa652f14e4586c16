// Angles of the rotary position embedding.
#pragma once

#include <cstdint>
#include <vector>

#include "sterna/model.hpp"

namespace sterna {

class RopeAngles {
 public:
  explicit RopeAngles(const RopeConfig& config);

  /// Pairs per head.
  std::size_t size() const noexcept { return frequencies_.size(); }
  /// Cosines and sines of every pair's angle at a position, [size()] each. As in the reference
  /// implementations, the frequency and its product with the position are rounded to float32 first.
  void at(std::uint32_t position, float* cosines, float* sines) const;

 private:
  std::vector<float> frequencies_;
};

}  // namespace sterna
