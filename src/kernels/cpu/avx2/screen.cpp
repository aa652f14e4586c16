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

}  // namespace

#include "kernels/cpu/screen-inl.hpp"

}  // namespace sterna::avx2
