#include "quantize/bitlinear_weights.hpp"

#include <algorithm>

#include "packing/i2_s_rows.hpp"
#include "quantize/absmean.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

std::uint64_t number(std::string_view text) {
  return std::stoull(std::string(text));
}

}  // namespace

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
  if (grain == WeightGrain::Tensor) return quantize_absmean(dtype, bytes, rows, cols, dtype);
  const std::uint64_t part = grain == WeightGrain::Row ? cols : group;
  TernaryMatrix matrix{rows, cols, {}, {}};
  matrix.trits.reserve(rows * cols);
  matrix.scales.grain = grain == WeightGrain::Row ? ScaleGrain::Row : ScaleGrain::Block;
  matrix.scales.block = grain == WeightGrain::Row ? 0 : group;
  const std::size_t part_bytes = part * info(dtype).block_bytes;
  for (std::uint64_t at = 0; at < rows * cols; at += part) {
    try {
      const auto one =
          quantize_absmean(dtype, bytes.subspan(at / part * part_bytes, part_bytes), 1, part, dtype);
      matrix.trits.insert(matrix.trits.end(), one.trits.begin(), one.trits.end());
      matrix.scales.values.push_back(one.scales.values[0]);
    } catch (const Error& error) {
      if (error.value("column").empty()) throw;
      // Its row and column are of the part.
      throw Error(error.category(), error.message(),
                  {{"row", std::to_string(at / cols)},
                   {"column", std::to_string(at % cols + number(error.value("column")))},
                   {"found", std::string(error.value("found"))}});
    }
  }
  return matrix;
}

}  // namespace sterna
