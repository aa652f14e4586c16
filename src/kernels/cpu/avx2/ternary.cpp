// Ternary products with AVX2. Codes c = trit + 1 are unsigned bytes, so vpmaddubsw multiplies them by the
// signed activations q and adds pairs: 32 products in an instruction, exact in int16. Then
// Σ trit·q = Σ c·q − Σ q.
//
// How long int16 may accumulate: a pair of products is at most 2·(2·128) = 512 in magnitude, reached only by
// q = −128. Hence 64 pairs per lane sum to −32768 at the least and to 64·2·2·127 = 32512 at the most: both
// fit. 64 steps of 32 columns are 2048 columns, 16 groups.
#include <immintrin.h>

#include "kernels/kernel_args.hpp"

namespace sterna::avx2 {

#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/ternary_layouts-inl.hpp"

namespace {

constexpr std::size_t kGroupsPerSum = 16;

inline __m256i load(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

/// Tells the compiler to have the value in a register here. Without it GCC 12 loads the activations again for
/// every row and copies every sum once per step, a tenth of the speed.
inline void in_register(__m256i& value) {
  asm("" : "+x"(value));
}

template <class Layout, int kField>
inline __m256i codes(__m256i bytes) {
  // The shift is of 16-bit lanes; what it moves across a byte's edge is masked away.
  return _mm256_and_si256(_mm256_srli_epi16(bytes, Layout::shift(kField)), _mm256_set1_epi8(3));
}

/// Asks for a cache line that will be needed; it may lie beyond the matrix. The rows in hand are short
/// streams side by side, which the hardware's prefetching does not follow. Into the second-level cache (T1),
/// because the first has too few requests in flight to cover the latency of memory. On Zen 4, from memory:
/// one token at 20 GB/s, against 9 with T0 and 6 without; two tokens at 144 Gop/s against 90.
inline void prefetch(const std::uint8_t* at) {
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

// ---- one token: bound by reading the weights --------------------------------------------------------------

/// Rows [row, row + kRows) of one token; several rows share the loads of the activations.
template <class Layout, int kRows>
inline void vector_rows(const TernaryArgs& a, std::size_t row) {
  constexpr std::size_t kPrefetchBytes = 6144;  // at 20 GB/s the latency of memory, three times over
  const std::uint8_t* weights = a.weights + row * a.weight_stride;
  const std::size_t groups = groups_of(a.cols);
  __m256i total[kRows];
  for (int r = 0; r < kRows; ++r) total[r] = _mm256_setzero_si256();
  for (std::size_t first = 0; first < groups; first += kGroupsPerSum) {
    const std::size_t last = least(first + kGroupsPerSum, groups);
    __m256i sum[kRows];
    for (int r = 0; r < kRows; ++r) sum[r] = _mm256_setzero_si256();
    for (std::size_t g = first; g < last; ++g) {
      const std::int8_t* x = a.x + g * kGroupCols;
      const __m256i x0 = load(x);
      const __m256i x1 = load(x + kFieldCols);
      const __m256i x2 = load(x + 2 * kFieldCols);
      const __m256i x3 = load(x + 3 * kFieldCols);
      for (int r = 0; r < kRows; ++r) {
        const std::uint8_t* group = weights + r * a.weight_stride + Layout::offset(g);
        prefetch(group + kPrefetchBytes);
        const __m256i bytes = load(group);
        const __m256i s01 = _mm256_add_epi16(_mm256_maddubs_epi16(codes<Layout, 0>(bytes), x0),
                                             _mm256_maddubs_epi16(codes<Layout, 1>(bytes), x1));
        const __m256i s23 = _mm256_add_epi16(_mm256_maddubs_epi16(codes<Layout, 2>(bytes), x2),
                                             _mm256_maddubs_epi16(codes<Layout, 3>(bytes), x3));
        sum[r] = _mm256_add_epi16(sum[r], _mm256_add_epi16(s01, s23));
      }
    }
    for (int r = 0; r < kRows; ++r) total[r] = _mm256_add_epi32(total[r], widen(sum[r]));
  }
  for (int r = 0; r < kRows; ++r) a.out[row + r] = horizontal_sum(total[r]) - a.x_sums[0];
}

template <class Layout>
inline void matrix_vector(const TernaryArgs& a) {
  std::size_t row = a.row_begin;
  for (; row + 2 <= a.row_end; row += 2) vector_rows<Layout, 2>(a, row);
  if (row < a.row_end) vector_rows<Layout, 1>(a, row);
}

// ---- several tokens: bound by arithmetic ------------------------------------------------------------------

// A tile of unpacked codes, 16 KiB, and the activations of a block of tokens, 8 KiB, share the first-level
// cache; the tile is used for every token before the next one is unpacked.
constexpr std::size_t kTileRows = 8;
constexpr std::size_t kTileGroups = kGroupsPerSum;
constexpr std::size_t kTileStride = kTileGroups * kGroupCols;
// Accumulators of 2 rows × 4 tokens, the two rows' codes and one activation fill 11 of the 16 registers.
constexpr int kBlockRows = 2;
constexpr int kBlockTokens = 4;

/// The codes of `count` groups as bytes; what is unpacked next lies `next` bytes further.
template <class Layout>
inline void unpack(const std::uint8_t* row, std::size_t first, std::size_t count, std::size_t next,
                   std::uint8_t* to) {
  for (std::size_t g = 0; g < count; ++g, to += kGroupCols) {
    const std::uint8_t* group = row + Layout::offset(first + g);
    prefetch(group + next);
    const __m256i bytes = load(group);
    __m256i* out = reinterpret_cast<__m256i*>(to);
    _mm256_store_si256(out, codes<Layout, 0>(bytes));
    _mm256_store_si256(out + 1, codes<Layout, 1>(bytes));
    _mm256_store_si256(out + 2, codes<Layout, 2>(bytes));
    _mm256_store_si256(out + 3, codes<Layout, 3>(bytes));
  }
}

/// sums[r][t] = Σ codes of tile row r · activations of token t, over `cols` ≤ kTileStride columns.
template <int kRows, int kTokens>
inline void multiply_block(const std::uint8_t* tile, const std::int8_t* x, std::size_t x_stride,
                           std::size_t cols, std::int32_t sums[kBlockRows][kBlockTokens]) {
  __m256i sum[kBlockRows][kBlockTokens];
  for (auto& row : sum) {
    for (auto& lanes : row) lanes = _mm256_setzero_si256();
  }
#pragma GCC unroll 2
  for (std::size_t k = 0; k < cols; k += 32) {
    __m256i c[kRows];
    for (int r = 0; r < kRows; ++r) c[r] = load(tile + r * kTileStride + k);
    for (int t = 0; t < kTokens; ++t) {
      __m256i q = load(x + t * x_stride + k);
      in_register(q);
      for (int r = 0; r < kRows; ++r) {
        sum[r][t] = _mm256_add_epi16(sum[r][t], _mm256_maddubs_epi16(c[r], q));
        in_register(sum[r][t]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(sums[r]),
                     horizontal_sums(widen(sum[r][0]), widen(sum[r][1]), widen(sum[r][2]), widen(sum[r][3])));
  }
}

template <int kRows>
inline void multiply_rows(const TernaryArgs& a, std::size_t row, const std::uint8_t* tile, std::size_t token,
                          std::size_t tokens, std::size_t first_col, std::size_t cols) {
  const std::int8_t* x = a.x + token * a.x_stride + first_col;
  std::int32_t sums[kBlockRows][kBlockTokens];
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
      out = sums[r][t] + (first_col == 0 ? -a.x_sums[token + t] : out);
    }
  }
}

template <class Layout>
inline void matrix_matrix(const TernaryArgs& a) {
  alignas(64) std::uint8_t tile[kTileRows * kTileStride];
  const std::size_t groups = groups_of(a.cols);
  const std::size_t pieces = (groups + kTileGroups - 1) / kTileGroups;
  const std::size_t piece = (groups + pieces - 1) / pieces;  // all about equally long: no short last one
  for (std::size_t row = a.row_begin; row < a.row_end; row += kTileRows) {
    const std::size_t rows = least(kTileRows, a.row_end - row);
    for (std::size_t first = 0; first < groups; first += piece) {
      const std::size_t count = least(piece, groups - first);
      for (std::size_t r = 0; r < rows; ++r) {
        unpack<Layout>(a.weights + (row + r) * a.weight_stride, first, count, kTileRows * a.weight_stride,
                       tile + r * kTileStride);
      }
      const std::size_t first_col = first * kGroupCols;
      const std::size_t cols = count * kGroupCols;
      for (std::size_t token = 0; token < a.tokens; token += kBlockTokens) {
        const std::size_t tokens = least(kBlockTokens, a.tokens - token);
        std::size_t r = 0;
        for (; r + kBlockRows <= rows; r += kBlockRows) {
          multiply_rows<kBlockRows>(a, row + r, tile + r * kTileStride, token, tokens, first_col, cols);
        }
        if (r < rows) multiply_rows<1>(a, row + r, tile + r * kTileStride, token, tokens, first_col, cols);
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

}  // namespace sterna::avx2
