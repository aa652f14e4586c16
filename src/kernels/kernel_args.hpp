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

/// The KV cache of one head is cut into blocks of this many positions, a whole number of vectors on every
/// instruction set. Keys lie transposed in a block, so that lanes are positions; values do not.
inline constexpr std::size_t kKvBlock = 64;
/// Positions whose attention is one partial result, whoever computes it: short enough that 16 threads share
/// the 5 heads of a 2B model evenly from a thousand positions on, long enough that merging costs a hundredth.
inline constexpr std::size_t kKvChunk = 4 * kKvBlock;

inline constexpr std::size_t kKvPair = 2;  ///< int8 elements beside each other along a sum

/// Where the parts of a block lie, in bytes from its start:
///   keys [head_dim][kKvBlock] at 0, values [kKvBlock][width]
/// or, for int8, in pairs along the sums of their products, with a float scale for each:
///   keys [width / 2][kKvBlock][2] and [kKvBlock] scales, values [kKvBlock / 2][width][2] and [kKvBlock]
///   scales
struct KvBlockLayout {
  std::size_t width;  ///< head_dim rounded up to a multiple of 16; zeros beyond head_dim
  std::size_t values;
  std::size_t key_scales;    ///< 0: none
  std::size_t value_scales;  ///< 0: none
  std::size_t bytes;         ///< of a block
};

/// Writes a key and a value [head_dim] to position `slot` of a block.
struct KvAppendArgs {
  const float* key;
  const float* value;
  std::size_t head_dim;
  std::byte* block;
  KvBlockLayout layout;
  std::size_t slot;  ///< < kKvBlock
};

/// The query heads that share a kv head, of tokens at positions that follow each other; the token at position
/// p sees [0, p]. Of these, the positions of the chunks [chunk_begin, chunk_end): score_p = (q · K_p) ·
/// scale, and the state is max score, Σ e^(score − max) and Σ e^(score − max) · V_p, which attention_finish
/// makes a result of.
struct AttentionArgs {
  const float* query;        ///< [tokens][group][head_dim]
  std::size_t query_stride;  ///< elements from token to token
  std::size_t tokens;
  std::size_t group;  ///< query heads to a kv head
  std::size_t head_dim;
  const std::byte* blocks;   ///< the first of the kv head's
  std::size_t block_stride;  ///< bytes from one of them to the next
  KvBlockLayout layout;
  std::size_t position;  ///< of the first token
  std::size_t chunk_begin;
  std::size_t chunk_end;  ///< the last token must see the last chunk
  float scale;
  float* state;    ///< attention_state_floats(tokens · group, width)
  float* scratch;  ///< attention_scratch_floats(tokens · group, width), 64-byte aligned
};

/// softmax(score) · V from the states of all chunks: one after the other, `count` of them `stride` apart, or
/// a single one of all chunks together. The first becomes the merged one.
struct AttentionFinishArgs {
  float* states;
  std::size_t stride;
  std::size_t count;
  std::size_t tokens;
  std::size_t group;
  std::size_t head_dim;
  std::size_t width;
  std::size_t position;
  float* out;  ///< [tokens][group][head_dim]
  std::size_t out_stride;
};

[[gnu::always_inline]] constexpr std::size_t attention_state_floats(std::size_t rows, std::size_t width) {
  return rows * (width + 2);
}
/// A block in float32, and queries, scores, a factor, two units and a state for each row.
[[gnu::always_inline]] constexpr std::size_t attention_scratch_floats(std::size_t rows, std::size_t width) {
  return kKvBlock * width + rows * (width + kKvBlock + 3) + attention_state_floats(rows, width);
}

/// out[m · out_stride + i] = f(gate[m · gate_stride + i]) · up[m · up_stride + i] for i in [0, n), m in [0,
/// tokens). out may be gate or up.
struct GateArgs {
  const float* gate;
  std::size_t gate_stride;  ///< elements, as all strides here
  const float* up;
  std::size_t up_stride;
  std::size_t tokens;
  std::size_t n;
  float* out;
  std::size_t out_stride;
};

/// acc[m · acc_stride + i] += x[m · x_stride + i] for i in [0, n), m in [0, tokens).
struct AddArgs {
  float* acc;
  std::size_t acc_stride;
  const float* x;
  std::size_t x_stride;  ///< 0: the same x for all tokens
  std::size_t tokens;
  std::size_t n;
};

/// What the sums of a ternary product stand for: out[m · out_stride + r] = sums[m · sums_stride + r] /
/// activation_scales[m] · (weight_scale · row_scales[r]) + bias[r] for r in [0, rows), m in [0, tokens).
struct ScaleArgs {
  const std::int32_t* sums;
  std::size_t sums_stride;
  const float* activation_scales;  ///< one per token
  float weight_scale;
  const float* row_scales;  ///< null: all 1
  const float* bias;        ///< null: none
  std::size_t tokens;
  std::size_t rows;
  float* out;
  std::size_t out_stride;
};

struct QuantizeResult {
  float scale;       ///< s = 127 / max(max|x|, 1e-5): q = clamp(round_half_even(x · s), −128, 127)
  std::int32_t sum;  ///< Σ q
};

}  // namespace sterna
