// The coarse product of a screened head for NEON.
#include <arm_neon.h>

#include "kernels/screen_args.hpp"

namespace sterna::neon {

// clang-format off
#include "kernels/cpu/neon/simd.hpp"
// clang-format on

namespace {

using Codes = std::uint8_t __attribute__((vector_size(sizeof(F))));

inline H add_neighbours(Codes codes, const std::int8_t* x) {
  const int8x16_t c = vreinterpretq_s8_u8(codes);
  const int8x16_t q = vld1q_s8(x);
  return vpaddq_s16(vmull_s8(vget_low_s8(c), vget_low_s8(q)), vmull_high_s8(c, q));
}

}  // namespace

#include "kernels/cpu/screen-inl.hpp"

}  // namespace sterna::neon
