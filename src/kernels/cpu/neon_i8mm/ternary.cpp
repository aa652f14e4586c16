// Ternary products with the matrix products of ARMv8.6: smmla multiplies 2 rows of 8 codes by 2 tokens of 8
// activations and adds the 4 sums of 8 products to int32, twice what sdot does. One token is sdot's.
#include <arm_neon.h>

#include "kernels/kernel_args.hpp"

namespace sterna::neon_i8mm {

// Each builds on those before it.
// clang-format off
#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/ternary_layouts-inl.hpp"
#include "kernels/cpu/neon/codes-inl.hpp"
#include "kernels/cpu/neon_dot/rows-inl.hpp"
// clang-format on

namespace {

// smmla wants two rows, or two tokens, side by side: 8 bytes of one, 8 of the other. Codes are brought into
// pairs where they are unpacked, activations once for a tile of rows.
//
// A tile of 32 rows × 1024 columns is 32 KiB, the activations of 8 tokens 8 KiB: processors with smmla have
// 64 KiB of first-level cache. 8 rows would make pairing the activations cost a quarter of the products.
constexpr std::size_t kPieceGroups = 8;
constexpr std::size_t kPieceCols = kPieceGroups * kGroupCols;
constexpr std::size_t kPairStride = 2 * kPieceCols;
constexpr std::size_t kTileRows = 32;
// Sums of 8 rows × 8 tokens are 16 registers; 4 of codes and 4 of activations leave 8 of the 32, and 8 loads
// serve 16 instructions of products.
constexpr std::size_t kBlockRows = 8;
constexpr std::size_t kBlockTokens = 8;

/// 16 bytes of each, in two vectors of 8 and 8.
inline void store_pair(std::int8_t* to, int8x16_t first, int8x16_t second) {
  const int64x2_t a = vreinterpretq_s64_s8(first);
  const int64x2_t b = vreinterpretq_s64_s8(second);
  store(to, vreinterpretq_s8_s64(vzip1q_s64(a, b)));
  store(to + kVectorBytes, vreinterpretq_s8_s64(vzip2q_s64(a, b)));
}

template <class Layout, int kField>
inline void store_codes(std::int8_t* to, uint8x16_t first, uint8x16_t second) {
  store_pair(to + 2 * kField * kFieldCols, codes<Layout, kField>(first), codes<Layout, kField>(second));
}

/// The codes of `count` groups of two rows; what is unpacked next lies `next` bytes further.
template <class Layout>
inline void unpack_pair(const std::uint8_t* row0, const std::uint8_t* row1, std::size_t first,
                        std::size_t count, std::size_t next, std::int8_t* to) {
  for (std::size_t g = 0; g < count; ++g) {
    const std::uint8_t* group0 = row0 + Layout::offset(first + g);
    const std::uint8_t* group1 = row1 + Layout::offset(first + g);
    prefetch(group0 + next);
    prefetch(group1 + next);
    for (std::size_t half = 0; half < 2; ++half) {
      const uint8x16_t bytes0 = vld1q_u8(group0 + half * kVectorBytes);
      const uint8x16_t bytes1 = vld1q_u8(group1 + half * kVectorBytes);
      std::int8_t* out = to + 2 * (g * kGroupCols + half * kVectorBytes);
      store_codes<Layout, 0>(out, bytes0, bytes1);
      store_codes<Layout, 1>(out, bytes0, bytes1);
      store_codes<Layout, 2>(out, bytes0, bytes1);
      store_codes<Layout, 3>(out, bytes0, bytes1);
    }
  }
}

/// sums[t][r] = Σ codes of row r · activations of token t, for pairs of both, over `cols` ≤ kPieceCols
/// columns.
template <int kRowPairs, int kTokenPairs>
inline void multiply_block(const std::int8_t* tile, const std::int8_t* x, std::size_t cols,
                           std::int32_t sums[kBlockTokens][kBlockRows]) {
  int32x4_t sum[kTokenPairs][kRowPairs] = {};  // {row 0 token 0, row 0 token 1, row 1 token 0, row 1 token 1}
  for (std::size_t k = 0; k < 2 * cols; k += kVectorBytes) {
    int8x16_t c[kRowPairs];
    for (int r = 0; r < kRowPairs; ++r) c[r] = vld1q_s8(tile + r * kPairStride + k);
    for (int t = 0; t < kTokenPairs; ++t) {
      const int8x16_t q = vld1q_s8(x + t * kPairStride + k);
      for (int r = 0; r < kRowPairs; ++r) sum[t][r] = vmmlaq_s32(sum[t][r], c[r], q);
    }
  }
  for (int t = 0; t < kTokenPairs; ++t) {
    for (int r = 0; r < kRowPairs; ++r) {
      const int32x4_t by_token = vuzp1q_s32(sum[t][r], vextq_s32(sum[t][r], sum[t][r], 1));
      vst1_s32(sums[2 * t] + 2 * r, vget_low_s32(by_token));
      vst1_s32(sums[2 * t + 1] + 2 * r, vget_high_s32(by_token));
    }
  }
}

template <int kRowPairs>
inline void multiply_tokens(const std::int8_t* tile, const std::int8_t* x, std::size_t cols,
                            std::size_t token_pairs, std::int32_t sums[kBlockTokens][kBlockRows]) {
  switch (token_pairs) {
    case 1:
      return multiply_block<kRowPairs, 1>(tile, x, cols, sums);
    case 2:
      return multiply_block<kRowPairs, 2>(tile, x, cols, sums);
    case 3:
      return multiply_block<kRowPairs, 3>(tile, x, cols, sums);
    default:
      return multiply_block<kRowPairs, 4>(tile, x, cols, sums);
  }
}

/// Rows [row, row + rows) of a tile and tokens [token, token + tokens); an odd last one was paired with
/// itself.
inline void multiply_tile(const TernaryArgs& a, const std::int8_t* tile, std::size_t row, std::size_t rows,
                          const std::int8_t* x, std::size_t token, std::size_t tokens, std::size_t first_col,
                          std::size_t cols) {
  const std::size_t token_pairs = (tokens + 1) / 2;
  for (std::size_t r = 0; r < rows;) {
    std::int32_t sums[kBlockTokens][kBlockRows];
    const bool whole = r + kBlockRows <= rows;
    const std::size_t count = whole ? kBlockRows : least(2, rows - r);
    const std::int8_t* codes = tile + r / 2 * kPairStride;
    if (whole) {
      multiply_tokens<kBlockRows / 2>(codes, x, cols, token_pairs, sums);
    } else {
      multiply_tokens<1>(codes, x, cols, token_pairs, sums);
    }
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t i = 0; i < count; ++i) {
        std::int32_t& out = a.out[(token + t) * a.out_stride + row + r + i];
        out = sums[t][i] + (first_col == 0 ? -a.x_sums[token + t] : out);
      }
    }
    r += count;
  }
}

template <class Layout>
inline void matrix_matrix(const TernaryArgs& a) {
  alignas(64) std::int8_t tile[kTileRows / 2 * kPairStride];
  alignas(64) std::int8_t pairs[kBlockTokens / 2 * kPairStride];
  const std::size_t groups = groups_of(a.cols);
  const std::size_t pieces = (groups + kPieceGroups - 1) / kPieceGroups;
  const std::size_t piece = (groups + pieces - 1) / pieces;  // all about equally long: no short last one
  for (std::size_t row = a.row_begin; row < a.row_end; row += kTileRows) {
    const std::size_t rows = least(kTileRows, a.row_end - row);
    for (std::size_t first = 0; first < groups; first += piece) {
      const std::size_t count = least(piece, groups - first);
      const std::size_t first_col = first * kGroupCols;
      const std::size_t cols = count * kGroupCols;
      for (std::size_t r = 0; r < rows; r += 2) {
        const std::uint8_t* weights = a.weights + (row + r) * a.weight_stride;
        const std::uint8_t* second = r + 1 < rows ? weights + a.weight_stride : weights;
        unpack_pair<Layout>(weights, second, first, count, kTileRows * a.weight_stride,
                            tile + r / 2 * kPairStride);
      }
      for (std::size_t token = 0; token < a.tokens; token += kBlockTokens) {
        const std::size_t tokens = least(kBlockTokens, a.tokens - token);
        for (std::size_t t = 0; t < tokens; t += 2) {
          const std::int8_t* x = a.x + (token + t) * a.x_stride + first_col;
          const std::int8_t* second = t + 1 < tokens ? x + a.x_stride : x;
          std::int8_t* to = pairs + t / 2 * kPairStride;
          for (std::size_t k = 0; k < cols; k += kVectorBytes) {
            store_pair(to + 2 * k, vld1q_s8(x + k), vld1q_s8(second + k));
          }
        }
        multiply_tile(a, tile, row, rows, pairs, token, tokens, first_col, cols);
      }
    }
  }
}

template <class Layout>
inline void ternary(const TernaryArgs& a) {
  if (a.tokens == 1) {
    matrix_vector<Layout>(a);
  } else {
    matrix_matrix<Layout>(a);
  }
}

}  // namespace

void ternary_i2_s(const TernaryArgs& args) {
  ternary<LayoutI2S>(args);
}
void ternary_tq2_0(const TernaryArgs& args) {
  ternary<LayoutTQ2>(args);
}

}  // namespace sterna::neon_i8mm
