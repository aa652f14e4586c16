// I2_S, by bitnet.cpp: 2-bit codes, one f32 scale for the whole tensor.
//
//   The weights of all rows form one stream, cut into groups of 128 (64 in files written on ARM). A group of
//   G weights fills G/4 bytes; byte p holds four weights G/4 apart, the first one highest:
//
//     bit   7 6      5 4          3 2            1 0
//          c[p]   c[p + G/4]   c[p + 2G/4]   c[p + 3G/4]        c = w + 1
//
//   After the n/4 bytes of codes: the f32 scale, then 28 bytes that mean nothing (bitnet.cpp does not even
//   initialise them; written here as zeros).
//
// A row may end inside a group. What the last n mod G weights of a tensor look like is not defined: one of
// the format's writers drops them, another pads the group and cuts it off at n/4 bytes. So such a tensor is
// refused.
#include <algorithm>
#include <cmath>

#include "packing/layout.hpp"
#include "packing/simd/loops.hpp"
#include "sterna/error.hpp"

namespace sterna::packing {
namespace {

void check_group(std::uint64_t rows, std::uint64_t cols, std::uint32_t group, ErrorCategory category) {
  if (group != 64 && group != 128) {
    throw Error(ErrorCategory::InvalidArgument, "an I2_S group has 64 or 128 weights",
                {{"found", std::to_string(group)}});
  }
  const std::uint64_t n = rows * cols;
  if (n % group != 0) {
    throw Error(category, "an I2_S tensor must be a whole number of groups",
                {{"weights", std::to_string(n)}, {"group", std::to_string(group)}});
  }
}

TernaryMatrix unpack(Bytes bytes, std::uint64_t rows, std::uint64_t cols, const UnpackOptions& options) {
  TernaryMatrix matrix = start_unpack(DType::I2_S, bytes, rows, cols);
  check_group(rows, cols, options.i2s_group, ErrorCategory::Unsupported);
  const std::size_t n = matrix.trits.size();
  const auto scale = load_unaligned<float>(bytes.data() + n / 4);
  check_scale(scale, 0);
  const std::size_t group = options.i2s_group;
  loops().unpack2_high(as_u8(bytes.data()), n / group, group / 4, matrix.trits.data());
  check_codes(matrix.trits, cols);
  matrix.scales = {ScaleGrain::Tensor, {scale}, 0};
  return matrix;
}

void pack(const TernaryMatrix& matrix, const UnpackOptions& options, MutableBytes out) {
  check_pack(DType::I2_S, matrix, ScaleGrain::Tensor, out);
  check_group(matrix.rows, matrix.cols, options.i2s_group, ErrorCategory::Mismatch);
  const std::size_t n = matrix.trits.size();
  const std::size_t group = options.i2s_group;
  loops().pack2_high(matrix.trits.data(), n / group, group / 4, as_u8(out.data()));
  const MutableBytes tail = out.subspan(n / 4);
  std::fill(tail.begin(), tail.end(), std::byte{0});
  std::memcpy(tail.data(), &matrix.scales.values[0], sizeof(float));
}

}  // namespace

Packing i2_s() noexcept {
  return {DType::I2_S, 2.0, ScaleGrain::Tensor, DType::F32, unpack, pack, nullptr};
}

}  // namespace sterna::packing
