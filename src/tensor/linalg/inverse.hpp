// The inverse, for more than one operation.
#pragma once

#include "sterna/tensor.hpp"

namespace sterna::linalg {

/// a⁻¹. A singular matrix is an error of `operation`, or an inverse of NaN.
Tensor inverse(const char* operation, const Tensor& a, bool nan_if_singular);

}  // namespace sterna::linalg
