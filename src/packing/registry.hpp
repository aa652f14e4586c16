// The ternary packings: how trits (−1, 0, +1) and their scales lie in bytes, one row each. The byte diagrams
// are in docs/packings.md. These functions are the reference that kernels are tested against; they are exact.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "sterna/dtype.hpp"

namespace sterna {

/// How finely a stored matrix is scaled. The value of weight (r, c) is trit(r, c) · scale.
enum class ScaleGrain : std::uint8_t {
  Tensor,  ///< one scale: values[0]
  Row,     ///< values[r]
  Block,   ///< values[r · blocks_per_row + c / block]: not a BitLinear weight; runs as a dense matrix
};

struct TernaryScales {
  ScaleGrain grain = ScaleGrain::Tensor;
  std::vector<float> values;
  std::uint32_t block = 0;  ///< elements per scale when grain == Block
};

/// Row-major trits of a matrix [rows, cols] and their scales. The finest-stored scales are reduced to the
/// coarsest grain that holds exactly: a block of all zeros fits any scale, and a block whose scale is zero
/// has all-zero trits, whatever codes were stored.
struct TernaryMatrix {
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  std::vector<std::int8_t> trits;
  TernaryScales scales;
};

/// Options a file format cannot tell.
struct UnpackOptions {
  /// I2_S: weights per group, 128 (x86) or 64 (ARM). The caller decides from evidence:
  /// format/gguf/i2s_group.hpp.
  std::uint32_t i2s_group = 128;
};

/// A row of the packing table.
struct Packing {
  DType dtype;
  double bits_per_weight;  ///< of the body, without per-row and per-tensor extras
  ScaleGrain grain;        ///< what the layout can hold
  DType scale;             ///< how scales are stored: F32 or F16
  /// Trits and scales of the stored bytes; `bytes.size()` is storage_bytes(dtype, rows, cols). Throws Format
  /// for another size, a code that is no trit (the 2-bit code 3; `row` and `column` say where) or a scale
  /// that is not finite; Unsupported for an I2_S matrix that is not a whole number of groups.
  TernaryMatrix (*unpack)(Bytes bytes, std::uint64_t rows, std::uint64_t cols, const UnpackOptions& options);
  /// The stored bytes. Throws Mismatch when cols is no multiple of the block (I2_S: rows · cols of the
  /// group), the grain is finer than the layout's, or a scale is outside f16's range; a scale that f16 cannot
  /// hold exactly is rounded to nearest even. Throws InvalidArgument for a matrix that contradicts itself.
  void (*pack)(const TernaryMatrix& matrix, const UnpackOptions& options, MutableBytes out);
  /// out[i] = trit · scale of a whole stored row, for matrices that run as dense ones. Throws Format as
  /// `unpack` does. Null for I2_S, whose scale is the tensor's.
  void (*dequantize_row)(const std::byte* row, std::uint64_t cols, float* out);
};

/// I2_S, TQ1_0, TQ2_0, IQ1_BN, IQ2_BN.
std::span<const Packing> packing_table() noexcept;
/// The row of a dtype; null when the dtype is not ternary.
const Packing* find_packing(DType dtype) noexcept;

}  // namespace sterna
