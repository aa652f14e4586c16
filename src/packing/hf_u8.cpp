#include "packing/hf_u8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/checked.hpp"
#include "packing/layout.hpp"
#include "sterna/error.hpp"

namespace sterna {

using packing::as_u8;

TernaryMatrix unpack_hf_u8(Bytes bytes, std::uint64_t rows, std::uint64_t cols, float scale) {
  const std::uint64_t stride = ceil_div<std::uint64_t>(rows, 4);
  const auto expected = checked_mul(stride, cols);
  const auto weights = checked_mul(rows, cols);
  if (!expected || !weights || *expected != bytes.size()) {
    throw Error(ErrorCategory::Format, "packed ternary weights do not fit their shape",
                {{"shape", fmt::format("[{}, {}]", rows, cols)},
                 {"found", std::to_string(bytes.size())},
                 {"expected", expected ? std::to_string(*expected) : "fewer rows or columns"}});
  }
  if (!std::isfinite(scale)) {
    throw Error(ErrorCategory::InvalidArgument, "a scale is not finite",
                {{"found", fmt::format("{}", scale)}});
  }
  TernaryMatrix matrix{rows, cols, std::vector<std::int8_t>(*weights), {ScaleGrain::Tensor, {scale}, 0}};
  for (std::uint64_t row = 0; row < rows; ++row) {
    const std::uint8_t* in = as_u8(bytes.data()) + row % stride * cols;
    const auto shift = static_cast<unsigned>(2 * (row / stride));
    std::int8_t* out = matrix.trits.data() + row * cols;
    for (std::uint64_t c = 0; c < cols; ++c) out[c] = packing::trit_of(in[c] >> shift & 3u);
  }
  packing::check_codes(matrix.trits, cols);
  return matrix;
}

std::vector<std::byte> pack_hf_u8(const TernaryMatrix& matrix) {
  const std::uint64_t stride = ceil_div<std::uint64_t>(matrix.rows, 4);
  std::vector<std::byte> bytes(stride * matrix.cols);
  for (std::uint64_t row = 0; row < matrix.rows; ++row) {
    std::uint8_t* out = as_u8(bytes.data()) + row % stride * matrix.cols;
    const auto shift = 2 * (row / stride);
    const std::int8_t* trits = matrix.trits.data() + row * matrix.cols;
    for (std::uint64_t c = 0; c < matrix.cols; ++c) {
      out[c] |= static_cast<std::uint8_t>(packing::code_of(trits[c]) << shift);
    }
  }
  return bytes;
}

}  // namespace sterna
