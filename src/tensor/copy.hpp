// Copying elements between tensors.
#pragma once

#include "sterna/tensor.hpp"

namespace sterna {

/// to[i…] = from[i…], converted as by Tensor::to. Equal shapes and plain dtypes; the two must not overlap
/// unless they are the same elements in the same order.
void copy_elements(const Tensor& from, const Tensor& to);

}  // namespace sterna
