// Ternary products of several tokens with AVX2, whatever the packing: codes are unpacked to bytes once and
// then multiplied.
//
// How long int16 may accumulate: a pair of products is at most 2·(2·128) = 512 in magnitude, reached only by
// q = −128. Hence 64 pairs per lane sum to −32768 at the least and to 64·2·2·127 = 32512 at the most: both
// fit. 64 steps of 32 columns are 2048 columns.
//
// Included inside namespace sterna::avx2, after <immintrin.h> and ternary_layouts-inl.hpp.

namespace {

constexpr std::size_t kColsPerSum = 2048;

inline __m256i load(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

/// Tells the compiler to have the value in a register here. Without it GCC 12 loads the activations again for
/// every row and copies every sum once per step, a tenth of the speed.
inline void in_register(__m256i& value) {
  asm("" : "+x"(value));
}

/// Asks for a cache line that will be needed; it may lie beyond the matrix. Into the second-level cache (T1),
/// because the first has too few requests in flight to cover the latency of memory. On Zen 4 with two busy
/// threads on one core, bound by memory, 33 GB/s against 27 without.
[[gnu::always_inline]] inline void prefetch(const std::uint8_t* at) {
  _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
}

/// int16 lanes to int32 lanes, neighbours added.
inline __m256i widen(__m256i sums) {
  return _mm256_madd_epi16(sums, _mm256_set1_epi16(1));
}

inline std::int32_t horizontal_sum(__m256i lanes) {
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
  return _mm_cvtsi128_si32(sum);
}

/// {Σa, Σb, Σc, Σd}
inline __m128i horizontal_sums(__m256i a, __m256i b, __m256i c, __m256i d) {
  const __m256i sums = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
  return _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

// ---- several tokens: bound by arithmetic ------------------------------------------------------------------

// A tile of unpacked codes, 16 KiB, and the activations of two tokens, 4 KiB, share the first-level cache;
// the tile is used for a block of tokens before the next one is unpacked. The block's activations (64 tokens
// of 2560: 160 KiB) stay in the second-level cache meanwhile, 256 tokens' do not: 224 Gop/s instead of 247.
constexpr std::size_t kTileRows = 8;
constexpr std::size_t kTileStride = kColsPerSum;
constexpr std::size_t kTokenBlock = 64;
// Accumulators of 4 rows × 2 tokens, four rows' codes, one activation and a product fill 14 of the 16
// registers: 6 loads for 8 vpmaddubsw and 8 vpaddw, which take 4 cycles of four pipes. Four rows' sums are
// one vector of the output.
constexpr int kBlockRows = 4;
constexpr int kBlockTokens = 2;

/// out[token + t][row + r] (+)= Σ codes of tile row r · activations of the token, over `cols` ≤ kTileStride
/// columns from `first_col` on; the first columns start it with −Σq.
template <int kRows, int kTokens>
inline void multiply_block(const TernaryArgs& a, std::size_t row, const std::uint8_t* tile, std::size_t token,
                           std::size_t first_col, std::size_t cols) {
  const std::int8_t* x = a.x + token * a.x_stride + first_col;
  __m256i sum[kTokens][kBlockRows];
  for (auto& rows : sum) {
    for (__m256i& lanes : rows) lanes = _mm256_setzero_si256();
  }
#pragma GCC unroll 2
  for (std::size_t k = 0; k < cols; k += 32) {
    __m256i c[kRows];
    for (int r = 0; r < kRows; ++r) {
      c[r] = load(tile + r * kTileStride + k);
      in_register(c[r]);
    }
    for (int t = 0; t < kTokens; ++t) {
      __m256i q = load(x + t * a.x_stride + k);
      in_register(q);
      for (int r = 0; r < kRows; ++r) {
        sum[t][r] = _mm256_add_epi16(sum[t][r], _mm256_maddubs_epi16(c[r], q));
        in_register(sum[t][r]);
      }
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    std::int32_t* out = a.out + (token + t) * a.out_stride + row;
    const __m128i sums =
        horizontal_sums(widen(sum[t][0]), widen(sum[t][1]), widen(sum[t][2]), widen(sum[t][3]));
    const __m128i before = _mm_set1_epi32(-a.x_sums[token + t]);
    if constexpr (kRows == kBlockRows) {
      auto* to = reinterpret_cast<__m128i*>(out);
      _mm_storeu_si128(to, _mm_add_epi32(sums, first_col == 0 ? before : _mm_loadu_si128(to)));
    } else {
      *out = _mm_cvtsi128_si32(sums) + (first_col == 0 ? _mm_cvtsi128_si32(before) : *out);
    }
  }
}

/// `rows` ≤ kTileRows rows of the tile and kTokens tokens.
template <int kTokens>
inline void multiply_tile(const TernaryArgs& a, std::size_t row, std::size_t rows, const std::uint8_t* tile,
                          std::size_t token, std::size_t first_col, std::size_t cols) {
  std::size_t r = 0;
  for (; r + kBlockRows <= rows; r += kBlockRows) {
    multiply_block<kBlockRows, kTokens>(a, row + r, tile + r * kTileStride, token, first_col, cols);
  }
  for (; r < rows; ++r) {
    multiply_block<1, kTokens>(a, row + r, tile + r * kTileStride, token, first_col, cols);
  }
}

/// Tokens [begin, end) of all rows. Packing has
///   kCols                               columns of a block of weights, which divides kTileStride
///   unpack(row, first, count, next, to) the codes of `count` blocks of a row as bytes, columns in order;
///   what
///                                       is unpacked next lies `next` bytes further
template <class Packing>
inline void matrix_matrix(const TernaryArgs& a, std::size_t begin, std::size_t end) {
  alignas(64) std::uint8_t tile[kTileRows * kTileStride];
  constexpr std::size_t kTileBlocks = kTileStride / Packing::kCols;
  const std::size_t blocks = a.cols / Packing::kCols + (a.cols % Packing::kCols != 0);
  const std::size_t pieces = (blocks + kTileBlocks - 1) / kTileBlocks;
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
      std::size_t token = begin;
      for (; token + kBlockTokens <= end; token += kBlockTokens) {
        multiply_tile<kBlockTokens>(a, row, rows, tile, token, first_col, cols);
      }
      if (token < end) multiply_tile<1>(a, row, rows, tile, token, first_col, cols);
    }
  }
}

/// Any number of tokens, a block of them after the other.
template <class Packing>
inline void many_tokens(const TernaryArgs& a) {
  for (std::size_t token = 0; token < a.tokens; token += kTokenBlock) {
    matrix_matrix<Packing>(a, token, least(token + kTokenBlock, a.tokens));
  }
}

}  // namespace
