// The most that the dot products of ARMv8.2 multiply and add.
#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace sterna::neon_dot {

#include "kernels/cpu/peak_sums-inl.hpp"
#include "kernels/cpu/peaks-inl.hpp"

std::uint64_t peak_int8(std::size_t steps, std::int8_t code, std::int8_t activation) {
  const int8x16_t c = vdupq_n_s8(code);
  const int8x16_t q = vdupq_n_s8(activation);
  int32x4_t sums[16] = {};
  repeat(
      steps, sums, [&](int32x4_t & sum) __attribute__((always_inline)) {
        asm volatile("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(c), "w"(q));
      });
  return total<std::int32_t>(sums);
}

}  // namespace sterna::neon_dot
