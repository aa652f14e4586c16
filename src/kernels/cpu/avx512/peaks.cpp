// The most that AVX-512 with VNNI multiplies and adds.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace sterna::avx512 {

#include "kernels/cpu/peak_sums-inl.hpp"
#include "kernels/cpu/peaks-inl.hpp"

/// As many sums as the kernels' blocks of 6 tokens × 4 panels.
std::uint64_t peak_int8(std::size_t steps, std::int8_t code, std::int8_t activation) {
  const __m512i c = _mm512_set1_epi8(code);
  const __m512i q = _mm512_set1_epi8(activation);
  __m512i sums[24] = {};
  repeat(
      steps, sums, [&](__m512i & sum) __attribute__((always_inline)) {
        asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(c), "v"(q));
      });
  return total<std::int32_t>(sums);
}

std::uint64_t peak_int16(std::size_t steps, std::int8_t code, std::int8_t activation) {
  const __m512i c = _mm512_set1_epi16(code);
  const __m512i q = _mm512_set1_epi16(activation);
  __m512i sums[16] = {};
  repeat(
      steps, sums, [&](__m512i & sum) __attribute__((always_inline)) {
        __m512i products;
        asm volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
                     : "+v"(sum), "=&v"(products)
                     : "v"(c), "v"(q));
      });
  return total<std::int32_t>(sums);
}

std::uint64_t peak_float(std::size_t steps, std::int8_t code, std::int8_t activation) {
  const __m512 c = _mm512_set1_ps(code);
  const __m512 q = _mm512_set1_ps(activation);
  __m512 sums[16] = {};
  repeat(
      steps, sums, [&](__m512 & sum) __attribute__((always_inline)) {
        __m512 products;
        asm volatile("vmulps %3, %2, %1\n\tvaddps %1, %0, %0" : "+v"(sum), "=&v"(products) : "v"(c), "v"(q));
      });
  return total<float>(sums);
}

std::uint64_t peak_fused(std::size_t steps, std::int8_t code, std::int8_t activation) {
  const __m512 c = _mm512_set1_ps(code);
  const __m512 q = _mm512_set1_ps(activation);
  __m512 sums[16] = {};
  repeat(
      steps, sums, [&](__m512 & sum) __attribute__((always_inline)) {
        asm volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(c), "v"(q));
      });
  return total<float>(sums);
}

}  // namespace sterna::avx512
