// The coarse product of a screened head for AVX2.
#include <immintrin.h>

#include "kernels/screen_args.hpp"

namespace sterna::avx2 {

// clang-format off
#include "kernels/cpu/avx2/simd.hpp"
// clang-format on

namespace {

using Codes = std::uint8_t __attribute__((vector_size(sizeof(F))));

inline H add_neighbours(Codes codes, const std::int8_t* x) {
  return reinterpret_cast<H>(_mm256_maddubs_epi16(reinterpret_cast<__m256i>(codes),
                                                  _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))));
}

inline std::int32_t sum_of(I sums) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(bits(sums)), _mm256_extracti128_si256(bits(sums), 1));
  four = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 1)));
}

}  // namespace

#include "kernels/cpu/screen-inl.hpp"

}  // namespace sterna::avx2
