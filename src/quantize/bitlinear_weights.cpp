#include "quantize/bitlinear_weights.hpp"

#include "packing/i2_s_rows.hpp"
#include "quantize/absmean.hpp"

namespace sterna {

BitLinearWeights kernel_weights(const TernaryMatrix& matrix) {
  BitLinearWeights weights;
  weights.rows = matrix.rows;
  weights.cols = matrix.cols;
  weights.scales = matrix.scales;
  weights.group = matrix.scales.grain == ScaleGrain::Block ? matrix.scales.block : matrix.cols;
  weights.groups = weights.group == 0 ? 0 : matrix.cols / weights.group;
  weights.stride = i2s_row_bytes(weights.group);
  weights.codes = AlignedBuffer(weights.groups * weights.rows * weights.stride, MemoryTag::Weights);
  auto* out = reinterpret_cast<std::uint8_t*>(weights.codes.data());
  for (std::uint64_t g = 0; g < weights.groups; ++g) {
    for (std::uint64_t r = 0; r < weights.rows; ++r, out += weights.stride) {
      pack_i2s_row(matrix.trits.data() + r * weights.cols + g * weights.group, weights.group, out);
    }
  }
  return weights;
}

TernaryMatrix quantize_weights(const Tensor& weights, WeightGrain grain, std::uint32_t group) {
  const auto rows = static_cast<std::uint64_t>(weights.size(0));
  const auto cols = static_cast<std::uint64_t>(weights.size(1));
  const Bytes bytes(weights.raw(), weights.bytes());
  const DType dtype = weights.dtype();
  const ScaleGrain kind = grain == WeightGrain::Tensor ? ScaleGrain::Tensor
                          : grain == WeightGrain::Row  ? ScaleGrain::Row
                                                       : ScaleGrain::Block;
  return quantize_absmean(dtype, bytes, rows, cols, dtype, {kind, kind == ScaleGrain::Block ? group : 0});
}

}  // namespace sterna
