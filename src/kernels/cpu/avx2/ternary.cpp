// Ternary products with AVX2. Codes c = trit + 1 are unsigned bytes, so vpmaddubsw multiplies them by the
// signed activations q and adds pairs: 32 products in an instruction, exact in int16. Then
// Σ trit·q = Σ c·q − Σ q. How long int16 may accumulate is proved in tiles-inl.hpp.
#include <immintrin.h>

#include "kernels/kernel_args.hpp"

namespace sterna::avx2 {

// Each builds on those before it.
// clang-format off
#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/ternary_layouts-inl.hpp"
#include "kernels/cpu/avx2/tiles-inl.hpp"
// clang-format on

namespace {

// ---- one token, bound by reading the weights, or a few ----------------------------------------------------

// Fields are masked where they lie instead of being shifted down: of a byte and of its upper half, shifted by
// 4 once, one field counts 1 and the other 4. That is 13 vector instructions for 128 weights, 3.25 cycles of
// four pipes: 28 GB/s at 2.84 GHz. On Zen 4: 24 GB/s from the cache in long rows, 21 in rows of 2560 (Zen's
// schedulers leave a fifth of the slots empty), 20 from memory.
//
// The sums that count 4: two pairs a group of at most 4 · 512, so 8 groups stay within −32768 and 32512.
constexpr std::size_t kGroupsPerMaskedSum = 8;

/// One row and kTokens tokens, which share the unpacking.
template <class Layout, int kTokens>
inline void vector_row(const TernaryArgs& a, std::size_t row) {
  constexpr std::size_t kPrefetchBytes = 12288;
  const std::uint8_t* weights = a.weights + row * a.weight_stride;
  const std::size_t groups = groups_of(a.cols);
  const __m256i one = _mm256_set1_epi8(3);
  const __m256i four = _mm256_set1_epi8(12);
  __m256i total[kTokens];
  for (__m256i& lanes : total) lanes = _mm256_setzero_si256();
  for (std::size_t first = 0; first < groups; first += kGroupsPerMaskedSum) {
    const std::size_t last = least(first + kGroupsPerMaskedSum, groups);
    __m256i ones[kTokens], fours[kTokens];
    for (int t = 0; t < kTokens; ++t) ones[t] = fours[t] = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (std::size_t g = first; g < last; ++g) {
      const std::uint8_t* group = weights + Layout::offset(g);
      prefetch(group + kPrefetchBytes);
      const __m256i low = load(group);
      const __m256i high = _mm256_srli_epi16(low, 4);
      for (int f = 0; f < kFields; ++f) {
        const bool counts_four = Layout::shift(f) % 4 != 0;
        const __m256i c = _mm256_and_si256(Layout::shift(f) < 4 ? low : high, counts_four ? four : one);
        for (int t = 0; t < kTokens; ++t) {
          __m256i& sum = counts_four ? fours[t] : ones[t];
          const __m256i q = load(a.x + t * a.x_stride + g * kGroupCols + f * kFieldCols);
          sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(c, q));
          in_register(sum);
        }
      }
    }
    for (int t = 0; t < kTokens; ++t) {
      // Every lane of `fours` is a multiple of 4, and so is a sum of two.
      const __m256i quarter = _mm256_srai_epi32(widen(fours[t]), 2);
      total[t] = _mm256_add_epi32(total[t], _mm256_add_epi32(widen(ones[t]), quarter));
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    a.out[t * a.out_stride + row] = horizontal_sum(total[t]) - a.x_sums[t];
  }
}

// Two sums for each token, codes, masks and a product: a fourth token no longer fits the 16 registers, and
// the unpacked tiles below beat it.
constexpr std::size_t kVectorTokens = 3;

template <class Layout>
inline void matrix_vectors(const TernaryArgs& a) {
  for (std::size_t row = a.row_begin; row < a.row_end; ++row) {
    switch (a.tokens) {
      case 1:
        vector_row<Layout, 1>(a, row);
        break;
      case 2:
        vector_row<Layout, 2>(a, row);
        break;
      default:
        vector_row<Layout, kVectorTokens>(a, row);
    }
  }
}

// ---- several tokens ---------------------------------------------------------------------------------------

template <class Layout, int kField>
inline __m256i codes(__m256i bytes) {
  // The shift is of 16-bit lanes; what it moves across a byte's edge is masked away.
  return _mm256_and_si256(_mm256_srli_epi16(bytes, Layout::shift(kField)), _mm256_set1_epi8(3));
}

template <class Layout>
struct TwoBits {
  static constexpr std::size_t kCols = kGroupCols;
  static void unpack(const std::uint8_t* row, std::size_t first, std::size_t count, std::size_t next,
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
};

template <class Layout>
inline void ternary(const TernaryArgs& a) {
  if (a.tokens <= kVectorTokens) {
    matrix_vectors<Layout>(a);
  } else {
    many_tokens<TwoBits<Layout>>(a);
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
