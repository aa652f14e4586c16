// Rows of any dense dtype to float32 and back: what embeddings, norms and dense heads are read through.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "sterna/dtype.hpp"

namespace sterna {

/// True when rows of the dtype can be read as float32: every Float and Block type, and the ternary packings
/// whose rows stand alone (not I2_S, whose scale is the tensor's: packing/registry.hpp).
bool can_dequantize(DType dtype) noexcept;

/// out[i] = element i of the row, exactly as the format defines it (code · scale, one float32 rounding where
/// the format's own reference has one). `row` is the whole stored row, cols a multiple of the block.
/// Throws Unsupported where !can_dequantize.
void dequantize_row(DType dtype, const std::byte* row, std::uint64_t cols, float* out);

/// True for the dtypes `quantize_row` writes: F32, F16, BF16, Q8_0, Q6_K, Q4_0.
bool can_quantize(DType dtype) noexcept;

/// The row in the dtype's storage, round half to even; deterministic on every machine. `out` has
/// storage_bytes(dtype, 1, cols) bytes.
void quantize_row(DType dtype, const float* row, std::uint64_t cols, std::byte* out);

}  // namespace sterna
