// Q6_K: 6-bit codes in sub-blocks of 16 with an 8-bit scale each, an f16 scale per 256.
#pragma once

#include <cstddef>

namespace sterna {

inline constexpr std::size_t kQ6KElements = 256;
inline constexpr std::size_t kQ6KBytes = 210;

void dequantize_q6_k(const std::byte* block, float* out);
/// Values must be finite. Throws Mismatch when the block's scale is above f16's range.
void quantize_q6_k(const float* x, std::byte* block);

}  // namespace sterna
