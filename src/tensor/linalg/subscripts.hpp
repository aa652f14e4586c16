// The subscripts of an Einstein sum: which label each axis has.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "sterna/tensor.hpp"

namespace sterna::linalg {

/// A letter's label is the letter. Those of "..." are numbers from kEllipsisLabel, counted from its last
/// axis, so that they align there.
using Labels = std::vector<int>;
inline constexpr int kEllipsisLabel = 256;

struct Subscripts {
  std::vector<Labels> operands;  ///< a label for each axis
  Labels output;
};

/// Throws InvalidArgument that shows the subscripts when they are malformed or do not fit the operands.
Subscripts parse_subscripts(std::string_view text, std::span<const Tensor> operands);

}  // namespace sterna::linalg
