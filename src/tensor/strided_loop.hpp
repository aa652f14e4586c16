// Walks several strided operands of one shape together, in as few and as long runs as their strides allow.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sterna/tensor.hpp"

namespace sterna {

enum class LoopOrder {
  Any,       ///< whatever is fastest: axes are sorted and reversed after the strides of the first operand
  RowMajor,  ///< the order of the indices
};

/// One operand: where its element (0, 0, …) lies, and its strides in elements, one for each axis of the
/// loop's shape (0 where it repeats).
struct LoopOperand {
  std::byte* data;
  std::span<const std::int64_t> strides;
  std::int64_t item_bytes;
};

/// A tensor as operand of a loop over its own shape. `broadcast_to` it first where the loop is larger.
inline LoopOperand loop_operand(const Tensor& tensor) {
  return {const_cast<std::byte*>(tensor.raw()), tensor.strides(),
          static_cast<std::int64_t>(info(tensor.dtype()).block_bytes)};
}

/// The axes of a loop after coalescing, outermost first; strides in bytes. Never of rank 0: a scalar is one
/// axis of length 1.
struct LoopAxes {
  Dims lengths;
  Dims strides;  // [axis · operands + operand]
};
/// Sorts, reverses and merges axes; moves `data` where it reverses one. Lengths may be 0.
LoopAxes coalesce(const Shape& shape, std::span<LoopOperand> operands, LoopOrder order);

/// Calls inner(pointers, count, byte_strides) for the runs of coalesced axes: element j of a run lies at
/// pointers[k] + j·byte_strides[k] in operand k. Nothing is called for an empty shape.
template <std::size_t N, class Inner>
void run_loop(const LoopAxes& axes, std::array<std::byte*, N> at, Inner&& inner) {
  const std::size_t rank = axes.lengths.size();
  for (const std::int64_t length : axes.lengths) {
    if (length == 0) return;
  }
  std::array<std::int64_t, N> inner_strides;
  for (std::size_t k = 0; k < N; ++k) inner_strides[k] = axes.strides[(rank - 1) * N + k];
  const std::int64_t count = axes.lengths[rank - 1];
  Dims counter = Dims::filled(rank, 0);
  for (;;) {
    inner(at, count, inner_strides);
    std::size_t axis = rank - 1;
    for (;;) {
      if (axis == 0) return;
      --axis;
      if (++counter[axis] < axes.lengths[axis]) break;
      for (std::size_t k = 0; k < N; ++k) at[k] -= axes.strides[axis * N + k] * (axes.lengths[axis] - 1);
      counter[axis] = 0;
    }
    for (std::size_t k = 0; k < N; ++k) at[k] += axes.strides[axis * N + k];
  }
}

/// Both in one: the runs cover the shape once.
template <std::size_t N, class Inner>
void strided_loop(const Shape& shape, std::array<LoopOperand, N> operands, LoopOrder order, Inner&& inner) {
  const LoopAxes axes = coalesce(shape, operands, order);
  std::array<std::byte*, N> at;
  for (std::size_t k = 0; k < N; ++k) at[k] = operands[k].data;
  run_loop<N>(axes, at, inner);
}

}  // namespace sterna
