// Rows of any dense dtype to float32 and back: what embeddings, norms and dense heads are read through. The
// block layouts are in docs/packings.md.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "sterna/dtype.hpp"

namespace sterna {

/// True when rows of the dtype can be read as float32: every Float and Block type. (Ternary types:
/// packing/registry.hpp.)
bool can_dequantize(DType dtype) noexcept;

/// out[i] = element i of the row, exactly as the format defines it: code · scale with one float32 rounding at
/// most. `row` is the whole stored row, of any alignment. Throws Unsupported where !can_dequantize and
/// InvalidArgument where cols is no multiple of the block.
void dequantize_row(DType dtype, const std::byte* row, std::uint64_t cols, float* out);

/// True for the dtypes `quantize_row` writes: F32, F16, BF16, Q8_0, Q6_K, Q4_0.
bool can_quantize(DType dtype) noexcept;

/// The row in the dtype's storage; `out` has storage_bytes(dtype, 1, cols) bytes. The same bytes on every
/// machine. With amax the largest magnitude of a block and d its scale, |x - stored x| is at most
///   F16, BF16   half a unit in the last place (round half to even)
///   Q8_0        d/2 + amax/1000, d = amax/127; the bytes of ggml's reference quantiser
///   Q4_0        d, d = amax/8; the bytes of ggml's reference quantiser
///   Q6_K        amax/8 + AMAX/16, amax of its 16 elements, AMAX of its 256; chosen to minimise the squared
///               error, which is 1.63 % of the values' on a trained embedding (ggml's quantiser: 1.72 %)
/// where scales are within f16's range. Throws Unsupported where !can_quantize, InvalidArgument where cols is
/// no multiple of the block or a value is not finite (`column`), Mismatch for a value that the dtype cannot
/// reach.
void quantize_row(DType dtype, const float* row, std::uint64_t cols, std::byte* out);

}  // namespace sterna
