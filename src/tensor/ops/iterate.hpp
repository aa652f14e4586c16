// One strided loop for every element-wise operation: walks the axes, and hands loops their operands side by
// side and in the type they compute in.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/ops/row.hpp"

namespace sterna::ops {

/// An axis of the result: its length, and how many bytes each operand moves along it. 0 where it is
/// broadcast; the last entry that is used is the result's.
struct Axis {
  std::int64_t length;
  std::array<std::ptrdiff_t, kMaxOperands + 1> step;
};

struct Input {
  const std::byte* data;
  DType stored;
  DType computed;  ///< what the loop reads
};
struct Output {
  std::byte* data;
  DType computed;  ///< what the loop writes
  DType stored;
};

/// Axes of length 1 dropped, the result's strides made positive and falling, neighbours that are one run
/// merged. Moves the operands' `data` to the first element of the new order.
void simplify(std::vector<Axis>& axes, std::span<Input> inputs, Output& output);

/// out[i…] = loop(in0[i…], in1[i…] …) over all axes, none of which is empty. The result may be one of the
/// operands element for element; it overlaps none in another way.
void iterate(Loop loop, std::span<const Axis> axes, std::span<const Input> inputs, const Output& output);

}  // namespace sterna::ops
