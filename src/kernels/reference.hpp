// The naive reference: one multiplication and one addition at a time. Slow on purpose, and kept forever:
// every kernel on every device equals it, bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sterna/dtype.hpp"

namespace sterna::reference {

/// out[m][r] = Σ_k trits[r][k] · x[m][k], int32; trits [rows, cols], x [tokens, cols], out [tokens, rows],
/// all dense.
void ternary_matmul(const std::int8_t* trits, std::size_t rows, std::size_t cols, const std::int8_t* x,
                    std::size_t tokens, std::int32_t* out);

/// Σ_k a[k] · b[k] in float32, in the canonical order of every float reduction: 32 partial sums, number i
/// taking the products k ≡ i mod 32 in increasing order; then i + (i + 16), i + (i + 8), … i + (i + 1).
float dot(const float* a, const float* b, std::size_t n);

/// Σ_k w_k · x_k of a stored row of a block type (q8_0, q6_k, q4_0) in the canonical order of such products:
/// 16 partial sums. Of a block of 256 elements, partial i takes float32(Σ code · x over the elements k with
/// k mod 32 in {2i, 2i + 1}) · scale; of a block of 32, partial i of the first 8 (even blocks of the row) or
/// last 8 (odd ones) takes that over k mod 16 in {2i, 2i + 1}. Then i + (i + 8), … i + (i + 1).
float block_dot(DType dtype, const std::byte* row, const std::int16_t* x, std::size_t n);

}  // namespace sterna::reference
