// The most that NEON, as every aarch64 has it, multiplies and adds.
#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace sterna::neon {

#include "kernels/cpu/peak_sums-inl.hpp"
#include "kernels/cpu/peaks-inl.hpp"

namespace {

// As the tiles of several tokens have: 4 rows × 4 tokens.
constexpr int kSums = 16;

}  // namespace

std::uint64_t peak_int8(std::size_t steps, std::int8_t code, std::int8_t activation) {
  const int8x16_t c = vdupq_n_s8(code);
  const int8x16_t q = vdupq_n_s8(activation);
  int16x8_t sums[kSums] = {};
  repeat(
      steps, sums, [&](int16x8_t & sum) __attribute__((always_inline)) {
        asm volatile("smlal %0.8h, %1.8b, %2.8b\n\tsmlal2 %0.8h, %1.16b, %2.16b"
                     : "+w"(sum)
                     : "w"(c), "w"(q));
      });
  return total<std::int16_t>(sums);
}

std::uint64_t peak_int16(std::size_t steps, std::int8_t code, std::int8_t activation) {
  const int16x8_t c = vdupq_n_s16(code);
  const int16x8_t q = vdupq_n_s16(activation);
  int32x4_t sums[kSums] = {};
  repeat(
      steps, sums, [&](int32x4_t & sum) __attribute__((always_inline)) {
        int32x4_t low, high;
        asm volatile(
            "smull %1.4s, %3.4h, %4.4h\n\tsmull2 %2.4s, %3.8h, %4.8h\n\t"
            "addp %1.4s, %1.4s, %2.4s\n\tadd %0.4s, %0.4s, %1.4s"
            : "+w"(sum), "=&w"(low), "=&w"(high)
            : "w"(c), "w"(q));
      });
  return total<std::int32_t>(sums);
}

std::uint64_t peak_float(std::size_t steps, std::int8_t code, std::int8_t activation) {
  const float32x4_t c = vdupq_n_f32(code);
  const float32x4_t q = vdupq_n_f32(activation);
  float32x4_t sums[kSums] = {};
  repeat(
      steps, sums, [&](float32x4_t & sum) __attribute__((always_inline)) {
        float32x4_t products;
        asm volatile("fmul %1.4s, %2.4s, %3.4s\n\tfadd %0.4s, %0.4s, %1.4s"
                     : "+w"(sum), "=&w"(products)
                     : "w"(c), "w"(q));
      });
  return total<float>(sums);
}

std::uint64_t peak_fused(std::size_t steps, std::int8_t code, std::int8_t activation) {
  const float32x4_t c = vdupq_n_f32(code);
  const float32x4_t q = vdupq_n_f32(activation);
  float32x4_t sums[kSums] = {};
  repeat(
      steps, sums, [&](float32x4_t & sum) __attribute__((always_inline)) {
        asm volatile("fmla %0.4s, %1.4s, %2.4s" : "+w"(sum) : "w"(c), "w"(q));
      });
  return total<float>(sums);
}

}  // namespace sterna::neon
