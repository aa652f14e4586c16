// Ternary products of several tokens in 128-bit vectors, bound by arithmetic, in four words that NEON and its
// dot products define:
//   Sum                    lanes of partial sums
//   add_products(s, c, q)  adds the 16 products of codes and activations to them
//   widen(s)               int32 lanes with the same total
//   kPieceCols             how many columns of a row one Sum may take
// and for any packing, which has
//   kCols                               columns of a block of weights, which divides kPieceCols
//   unpack(row, first, count, next, to) the codes of `count` blocks of a row as bytes, columns in order; what
//   is
//                                       unpacked next lies `next` bytes further
//
// Included inside namespace sterna::<isa>, after codes-inl.hpp.

namespace {

/// {Σa, Σb, Σc, Σd}
inline int32x4_t horizontal_sums(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d) {
  return vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
}

// Rows of unpacked codes, used for every token before the next ones are unpacked. With pieces of 1024 or 2048
// columns 8 or 16 KiB, beside 4 or 8 KiB of activations: the first-level caches have 32 KiB or more.
constexpr std::size_t kTileRows = 8;
constexpr std::size_t kTileStride = kPieceCols;
// Sums of 4 rows × 4 tokens, the codes of 4 rows and one activation vector are 21 of the 32 registers, and 8
// loads serve 16 steps of products: one for two, where cores load half as much as they multiply or more. 4 ×
// 6 would also fit, and save a sixth of the loads, but divides a batch worse.
constexpr int kBlockRows = 4;
constexpr int kBlockTokens = 4;

/// sums[t][r] = Σ codes of tile row r · activations of token t, over `cols` ≤ kTileStride columns.
template <int kRows, int kTokens>
inline void multiply_block(const std::int8_t* tile, const std::int8_t* x, std::size_t x_stride,
                           std::size_t cols, std::int32_t sums[kBlockTokens][kBlockRows]) {
  Sum sum[kTokens][kBlockRows] = {};
  for (std::size_t k = 0; k < cols; k += kVectorBytes) {
    int8x16_t c[kRows];
    for (int r = 0; r < kRows; ++r) c[r] = vld1q_s8(tile + r * kTileStride + k);
    for (int t = 0; t < kTokens; ++t) {
      const int8x16_t q = vld1q_s8(x + t * x_stride + k);
      for (int r = 0; r < kRows; ++r) sum[t][r] = add_products(sum[t][r], c[r], q);
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    vst1q_s32(sums[t],
              horizontal_sums(widen(sum[t][0]), widen(sum[t][1]), widen(sum[t][2]), widen(sum[t][3])));
  }
}

template <int kRows>
inline void multiply_rows(const TernaryArgs& a, std::size_t row, const std::int8_t* tile, std::size_t token,
                          std::size_t tokens, std::size_t first_col, std::size_t cols) {
  const std::int8_t* x = a.x + token * a.x_stride + first_col;
  std::int32_t sums[kBlockTokens][kBlockRows];
  switch (tokens) {
    case 1:
      multiply_block<kRows, 1>(tile, x, a.x_stride, cols, sums);
      break;
    case 2:
      multiply_block<kRows, 2>(tile, x, a.x_stride, cols, sums);
      break;
    case 3:
      multiply_block<kRows, 3>(tile, x, a.x_stride, cols, sums);
      break;
    default:
      multiply_block<kRows, 4>(tile, x, a.x_stride, cols, sums);
  }
  for (std::size_t t = 0; t < tokens; ++t) {
    for (int r = 0; r < kRows; ++r) {
      std::int32_t& out = a.out[(token + t) * a.out_stride + row + r];
      out = sums[t][r] + (first_col == 0 ? -a.x_sums[token + t] : out);
    }
  }
}

template <class Packing>
inline void matrix_matrix(const TernaryArgs& a) {
  alignas(64) std::int8_t tile[kTileRows * kTileStride];
  constexpr std::size_t kPieceBlocks = kPieceCols / Packing::kCols;
  const std::size_t blocks = a.cols / Packing::kCols + (a.cols % Packing::kCols != 0);
  const std::size_t pieces = (blocks + kPieceBlocks - 1) / kPieceBlocks;
  const std::size_t piece = (blocks + pieces - 1) / pieces;  // all about equally long: no short last one
  for (std::size_t row = a.row_begin; row < a.row_end; row += kTileRows) {
    const std::size_t rows = least(kTileRows, a.row_end - row);
    for (std::size_t first = 0; first < blocks; first += piece) {
      const std::size_t count = least(piece, blocks - first);
      for (std::size_t r = 0; r < rows; ++r) {
        Packing::unpack(a.weights + (row + r) * a.weight_stride, first, count, kTileRows * a.weight_stride,
                        tile + r * kTileStride);
      }
      const std::size_t first_col = first * Packing::kCols;
      const std::size_t cols = count * Packing::kCols;
      for (std::size_t token = 0; token < a.tokens; token += kBlockTokens) {
        const std::size_t tokens = least(kBlockTokens, a.tokens - token);
        std::size_t r = 0;
        for (; r + kBlockRows <= rows; r += kBlockRows) {
          multiply_rows<kBlockRows>(a, row + r, tile + r * kTileStride, token, tokens, first_col, cols);
        }
        for (; r < rows; ++r) {
          multiply_rows<1>(a, row + r, tile + r * kTileStride, token, tokens, first_col, cols);
        }
      }
    }
  }
}

}  // namespace
