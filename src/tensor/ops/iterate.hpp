// Runs the loop of an element-wise operation over tensors of any strides: hands it its operands side by side
// and in the type it computes in.
#pragma once

#include <cstddef>
#include <span>

#include "sterna/tensor.hpp"
#include "tensor/ops/row.hpp"

namespace sterna::ops {

struct Input {
  const std::byte* data;
  Strides strides;  ///< in elements, one for each axis of the result; 0 where it is broadcast
  DType stored;
  DType computed;  ///< what the loop reads
};
struct Output {
  std::byte* data;
  Strides strides;
  DType computed;  ///< what the loop writes
  DType stored;
};

/// out[i…] = loop(in0[i…], in1[i…] …). The result may be one of the operands element for element; it overlaps
/// none in another way.
void iterate(Loop loop, const Shape& shape, std::span<const Input> inputs, const Output& output);

}  // namespace sterna::ops
