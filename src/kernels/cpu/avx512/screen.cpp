// The coarse product of a screened head for AVX-512 VNNI.
#include <immintrin.h>

#include "kernels/screen_args.hpp"

namespace sterna::avx512 {

// clang-format off
#include "kernels/cpu/avx512/simd.hpp"
// clang-format on

namespace {

using Codes = std::uint8_t __attribute__((vector_size(sizeof(F))));

inline H add_neighbours(Codes codes, const std::int8_t* x) {
  return reinterpret_cast<H>(_mm512_maddubs_epi16(reinterpret_cast<__m512i>(codes), _mm512_loadu_si512(x)));
}

}  // namespace

#include "kernels/cpu/screen-inl.hpp"

}  // namespace sterna::avx512
