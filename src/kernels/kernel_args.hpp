// What kernels are handed: plain structs, the only thing kernel files and the rest of the engine share.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sterna {

/// out[m · out_stride + r] = Σ_k trit(r, k) · x[m · x_stride + k] for r in [row_begin, row_end), m in [0,
/// tokens); exact int32.
struct TernaryArgs {
  const std::uint8_t* weights;  ///< row r starts at weights + r · weight_stride
  std::size_t weight_stride;    ///< bytes
  std::size_t cols;             ///< K ≥ 1; the row's storage is padded to whole blocks of the packing
  const std::int8_t* x;         ///< int8 activations; zero from K to the next multiple of kActivationPadding
  std::size_t x_stride;         ///< bytes, a multiple of kActivationPadding; x is 64-byte aligned
  const std::int32_t* x_sums;  ///< Σ_k x[m][k], for kernels with unsigned codes: Σ w·q = Σ (w+1)·q − Σ q
  std::size_t tokens;
  std::size_t row_begin;
  std::size_t row_end;
  std::int32_t* out;
  std::size_t out_stride;  ///< elements
};

/// Activation rows are padded with zeros to this many bytes, so that a kernel may read whole blocks of every
/// packing.
inline constexpr std::size_t kActivationPadding = 256;

/// out[m · out_stride + r] = Σ_k w(r, k) · x[m · x_stride + k] in float32, canonical order; w as in
/// tensor/dequantize.hpp. Matrices of a block type (q8_0, q6_k, q4_0) take the activations in 16 bits
/// instead, x[m][k] = codes[m · codes_stride + k] · code_scales[m]: rounding them so costs a hundredth of
/// what rounding the weights did, and the products inside a block become integers.
struct DenseArgs {
  const std::byte* weights = nullptr;
  std::size_t weight_stride = 0;  ///< bytes
  std::size_t cols = 0;           ///< a multiple of the block for block types
  const float* x = nullptr;       ///< null for block types
  std::size_t x_stride = 0;       ///< elements
  std::size_t tokens = 0;
  std::size_t row_begin = 0;
  std::size_t row_end = 0;
  float* out = nullptr;
  std::size_t out_stride = 0;
  const std::int16_t* codes = nullptr;  ///< in [−32767, 32767]; null for plain types
  std::size_t codes_stride = 0;         ///< elements
  const float* code_scales = nullptr;   ///< one per token
};

/// One query head of one token over the cached keys and values of positions [0, positions):
///   score_p = (q · K_p) · scale;  out = Σ_p softmax(score)_p · V_p
/// K and V rows are `head_dim` elements, contiguous by position, f32 or f16.
struct AttentionArgs {
  const float* query;
  const void* keys;
  const void* values;
  std::size_t positions;  ///< ≥ 1
  std::size_t head_dim;
  float scale;
  float* scores;  ///< room for `positions` floats
  float* out;     ///< [head_dim]
};

struct QuantizeResult {
  float scale;       ///< s = 127 / max(max|x|, 1e-5): q = clamp(round_half_even(x · s), −128, 127)
  std::int32_t sum;  ///< Σ q
};

}  // namespace sterna
