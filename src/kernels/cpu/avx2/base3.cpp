// Ternary products with AVX2 of weights in base 3 (TQ1_0): five to a byte.
//
// Digits in pairs: 9 · byte is a number of 16 bits whose high byte is 3 d₀ + d₁ and whose low byte is the
// fraction that the other three digits begin. vpmaddubsw by {9, 0} makes it of the even bytes, and by {0, 9}
// of the odd ones; applied to its own results by {9, 0} and then {3, 0} it gives 3 d₂ + d₃ and d₄. What the
// even and the odd ones give is blended into vectors of bytes, and vpshufb looks the two digits of a pair up.
// Six vpmaddubsw, six instructions that blend and four that look up make 160 codes of 32 bytes: with the
// products 26, or 5.2 for 32 weights, where 2-bit codes need 3.25. (Digit by digit, 3 · fraction by two
// additions and its upper bits by two averages, a shift and a mask, 7.6.)
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

using Layout = LayoutTQ1;

/// {even, odd} in every pair of bytes.
inline __m256i pairs(int even, int odd) {
  return _mm256_set1_epi16(static_cast<short>(even | odd << 8));
}

/// The high bytes of both: those of `even` at even places.
inline __m256i high_bytes(__m256i even, __m256i odd) {
  return _mm256_blendv_epi8(_mm256_srli_epi16(even, 8), odd, pairs(0, 0xff));
}

/// The five digits of every byte: 3 d₀ + d₁, 3 d₂ + d₃ and d₄.
struct Digits {
  __m256i first;
  __m256i second;
  __m256i last;
};

inline Digits digits_of(__m256i bytes) {
  const __m256i nine = pairs(9, 0);
  const __m256i even1 = _mm256_maddubs_epi16(bytes, nine);
  const __m256i odd1 = _mm256_maddubs_epi16(bytes, pairs(0, 9));
  const __m256i even2 = _mm256_maddubs_epi16(even1, nine);
  const __m256i odd2 = _mm256_maddubs_epi16(odd1, nine);
  const __m256i even3 = _mm256_maddubs_epi16(even2, pairs(3, 0));
  const __m256i odd3 = _mm256_maddubs_epi16(odd2, pairs(3, 0));
  return {high_bytes(even1, odd1), high_bytes(even2, odd2), high_bytes(even3, odd3)};
}

/// {3 a + b → a} and {3 a + b → b}
inline __m256i table_of_first() {
  return _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0));
}
inline __m256i table_of_second() {
  return _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0));
}

/// The codes of 16 columns in each half, of the four bytes of a last run which repeat in it: dword n is digit
/// n.
inline __m256i last_run_codes(__m256i bytes) {
  const __m256i even_power = _mm256_broadcastsi128_si256(_mm_setr_epi32(0x10001, 0x30003, 0x90009, 0x1b001b));
  const __m256i odd_power = _mm256_slli_epi16(even_power, 8);
  const __m256i even = _mm256_maddubs_epi16(_mm256_maddubs_epi16(bytes, even_power), pairs(3, 0));
  const __m256i odd = _mm256_maddubs_epi16(_mm256_maddubs_epi16(bytes, odd_power), pairs(3, 0));
  return high_bytes(even, odd);
}

inline __m256i load_twice(const void* from) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(from)));
}
inline __m256i load_both(const void* low, const void* high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(low))),
                                 _mm_loadu_si128(static_cast<const __m128i*>(high)), 1);
}
inline __m256i broadcast_dword(const std::uint8_t* from) {
  int bytes;
  __builtin_memcpy(&bytes, from, sizeof bytes);
  return _mm256_set1_epi32(bytes);
}

// ---- one token or a few -----------------------------------------------------------------------------------

// Two rows side by side: their first runs are a vector each, and the shorter runs of both together one. A
// block adds 5 and 6 pairs of products to a lane, of the 64 that int16 takes.
constexpr std::size_t kBlocksPerSum = 10;

/// Rows `row` and `row` + 1 and kTokens tokens, which share the unpacking; where `kRows` is 1, the row alone.
template <int kRows, int kTokens>
inline void vector_rows(const TernaryArgs& a, std::size_t row) {
  constexpr std::size_t kPrefetchBytes = 8192;
  const std::uint8_t* weights[2];
  weights[0] = a.weights + row * a.weight_stride;
  weights[1] = weights[0] + (kRows - 1) * a.weight_stride;
  const std::size_t blocks = Layout::blocks_of(a.cols);
  const __m256i of_first = table_of_first();
  const __m256i of_second = table_of_second();
  __m256i total[kTokens][kRows];
  for (auto& rows : total) {
    for (__m256i& lanes : rows) lanes = _mm256_setzero_si256();
  }
  for (std::size_t first = 0; first < blocks; first += kBlocksPerSum) {
    const std::size_t last = least(first + kBlocksPerSum, blocks);
    __m256i own[kTokens][kRows], both[kTokens];
    for (int t = 0; t < kTokens; ++t) {
      for (__m256i& sum : own[t]) sum = _mm256_setzero_si256();
      both[t] = _mm256_setzero_si256();
    }
    for (std::size_t b = first; b < last; ++b) {
      const std::int8_t* x = a.x + b * Layout::kCols;
      const std::uint8_t* block[2] = {weights[0] + b * Layout::kBytes, weights[1] + b * Layout::kBytes};
      for (int r = 0; r < kRows; ++r) {
        prefetch(block[r] + kPrefetchBytes);
        const Digits digits = digits_of(load(block[r]));
        const auto add = [&](__m256i codes, int n) __attribute__((always_inline)) {
          for (int t = 0; t < kTokens; ++t) {
            const __m256i q = load(x + t * a.x_stride + n * 32);
            own[t][r] = _mm256_add_epi16(own[t][r], _mm256_maddubs_epi16(codes, q));
            in_register(own[t][r]);
          }
        };
        add(_mm256_shuffle_epi8(of_first, digits.first), 0);
        add(_mm256_shuffle_epi8(of_second, digits.first), 1);
        add(_mm256_shuffle_epi8(of_first, digits.second), 2);
        add(_mm256_shuffle_epi8(of_second, digits.second), 3);
        add(digits.last, 4);
      }
      const auto add = [&](__m256i codes, int n) __attribute__((always_inline)) {
        for (int t = 0; t < kTokens; ++t) {
          const __m256i q = load_twice(x + t * a.x_stride + Layout::kRun1Cols + n * 16);
          both[t] = _mm256_add_epi16(both[t], _mm256_maddubs_epi16(codes, q));
          in_register(both[t]);
        }
      };
      const Digits digits = digits_of(load_both(block[0] + Layout::kRun1, block[1] + Layout::kRun1));
      add(_mm256_shuffle_epi8(of_first, digits.first), 0);
      add(_mm256_shuffle_epi8(of_second, digits.first), 1);
      add(_mm256_shuffle_epi8(of_first, digits.second), 2);
      add(_mm256_shuffle_epi8(of_second, digits.second), 3);
      add(digits.last, 4);
      add(last_run_codes(_mm256_blend_epi32(broadcast_dword(block[0] + Layout::kRun2),
                                            broadcast_dword(block[1] + Layout::kRun2), 0xf0)),
          5);
    }
    for (int t = 0; t < kTokens; ++t) {
      const __m256i zero = _mm256_setzero_si256();
      for (int r = 0; r < kRows; ++r) {
        const __m256i mine =
            r == 0 ? _mm256_blend_epi32(zero, both[t], 0x0f) : _mm256_blend_epi32(zero, both[t], 0xf0);
        total[t][r] = _mm256_add_epi32(total[t][r], _mm256_add_epi32(widen(own[t][r]), widen(mine)));
      }
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    for (int r = 0; r < kRows; ++r) {
      a.out[t * a.out_stride + row + r] = horizontal_sum(total[t][r]) - a.x_sums[t];
    }
  }
}

template <int kTokens>
inline void few_tokens(const TernaryArgs& a) {
  std::size_t row = a.row_begin;
  for (; row + 2 <= a.row_end; row += 2) vector_rows<2, kTokens>(a, row);
  if (row < a.row_end) vector_rows<1, kTokens>(a, row);
}

// ---- several tokens ---------------------------------------------------------------------------------------

struct Base3 {
  static constexpr std::size_t kCols = Layout::kCols;
  static void unpack(const std::uint8_t* row, std::size_t first, std::size_t count, std::size_t next,
                     std::uint8_t* to) {
    const __m256i of_first = table_of_first();
    const __m256i of_second = table_of_second();
    // In halves, for the second run: its digits 0 and 1, 2 and 3, then 4 and the last run.
    const __m256i of_both = _mm256_blend_epi32(of_first, of_second, 0xf0);
    for (std::size_t b = first; b < first + count; ++b, to += kCols) {
      const std::uint8_t* block = row + b * Layout::kBytes;
      prefetch(block + next);
      __m256i* out = reinterpret_cast<__m256i*>(to);
      const Digits run0 = digits_of(load(block));
      _mm256_store_si256(out, _mm256_shuffle_epi8(of_first, run0.first));
      _mm256_store_si256(out + 1, _mm256_shuffle_epi8(of_second, run0.first));
      _mm256_store_si256(out + 2, _mm256_shuffle_epi8(of_first, run0.second));
      _mm256_store_si256(out + 3, _mm256_shuffle_epi8(of_second, run0.second));
      _mm256_store_si256(out + 4, run0.last);
      const Digits run1 = digits_of(load_twice(block + Layout::kRun1));
      const __m256i run2 = last_run_codes(broadcast_dword(block + Layout::kRun2));
      _mm256_store_si256(out + 5, _mm256_shuffle_epi8(of_both, run1.first));
      _mm256_store_si256(out + 6, _mm256_shuffle_epi8(of_both, run1.second));
      _mm256_store_si256(out + 7, _mm256_blend_epi32(run1.last, run2, 0xf0));
    }
  }
};

}  // namespace

void ternary_tq1_0(const TernaryArgs& args) {
  switch (args.tokens) {
    case 1:
      return few_tokens<1>(args);
    case 2:
      return few_tokens<2>(args);
    case 3:
      return few_tokens<3>(args);
    default:
      return many_tokens<Base3>(args);
  }
}

}  // namespace sterna::avx2
