// A BitLinear layer's weights as the kernels read them.
#pragma once

#include <cstdint>
#include <vector>

#include "memory/aligned_buffer.hpp"
#include "packing/registry.hpp"
#include "sterna/bitlinear.hpp"

namespace sterna {

/// Groups of columns, one matrix of I2_S rows after another: row r of group g is at (g · rows + r) · stride.
struct BitLinearWeights {
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  std::uint64_t group = 0;  ///< columns; all of them unless the scales are of blocks
  std::uint64_t groups = 0;
  std::size_t stride = 0;
  AlignedBuffer codes;
  TernaryScales scales;  ///< of blocks: [rows][groups]

  std::uint64_t bytes() const noexcept { return codes.size() + scales.values.size() * sizeof(float); }
};

BitLinearWeights kernel_weights(const TernaryMatrix& matrix);

/// Absmean of a contiguous F32, F16 or BF16 tensor [out, in] for each tensor, row or group.
TernaryMatrix quantize_weights(const Tensor& weights, WeightGrain grain, std::uint32_t group);

}  // namespace sterna
