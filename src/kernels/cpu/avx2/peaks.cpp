// The most that AVX2 multiplies and adds.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace sterna::avx2 {

#include "kernels/cpu/peak_sums-inl.hpp"
#include "kernels/cpu/peaks-inl.hpp"

namespace {

// As the tiles of several tokens have: 4 rows × 2 tokens.
constexpr int kSums = 8;

}  // namespace

std::uint64_t peak_int8(std::size_t steps, std::int8_t code, std::int8_t activation) {
  const __m256i c = _mm256_set1_epi8(code);
  const __m256i q = _mm256_set1_epi8(activation);
  __m256i sums[kSums] = {};
  repeat(
      steps, sums, [&](__m256i & sum) __attribute__((always_inline)) {
        __m256i products;
        asm volatile("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"
                     : "+x"(sum), "=&x"(products)
                     : "x"(c), "x"(q));
      });
  return total<std::int16_t>(sums);
}

std::uint64_t peak_int8_widened(std::size_t steps, std::int8_t code, std::int8_t activation) {
  const __m256i c = _mm256_set1_epi8(code);
  const __m256i q = _mm256_set1_epi8(activation);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[kSums] = {};
  repeat(
      steps, sums, [&](__m256i & sum) __attribute__((always_inline)) {
        __m256i products;
        asm volatile("vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0"
                     : "+x"(sum), "=&x"(products)
                     : "x"(c), "x"(q), "x"(ones));
      });
  return total<std::int32_t>(sums);
}

std::uint64_t peak_int16(std::size_t steps, std::int8_t code, std::int8_t activation) {
  const __m256i c = _mm256_set1_epi16(code);
  const __m256i q = _mm256_set1_epi16(activation);
  __m256i sums[kSums] = {};
  repeat(
      steps, sums, [&](__m256i & sum) __attribute__((always_inline)) {
        __m256i products;
        asm volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
                     : "+x"(sum), "=&x"(products)
                     : "x"(c), "x"(q));
      });
  return total<std::int32_t>(sums);
}

std::uint64_t peak_float(std::size_t steps, std::int8_t code, std::int8_t activation) {
  const __m256 c = _mm256_set1_ps(code);
  const __m256 q = _mm256_set1_ps(activation);
  __m256 sums[kSums] = {};
  repeat(
      steps, sums, [&](__m256 & sum) __attribute__((always_inline)) {
        __m256 products;
        asm volatile("vmulps %3, %2, %1\n\tvaddps %1, %0, %0" : "+x"(sum), "=&x"(products) : "x"(c), "x"(q));
      });
  return total<float>(sums);
}

std::uint64_t peak_fused(std::size_t steps, std::int8_t code, std::int8_t activation) {
  const __m256 c = _mm256_set1_ps(code);
  const __m256 q = _mm256_set1_ps(activation);
  __m256 sums[kSums] = {};
  repeat(
      steps, sums, [&](__m256 & sum) __attribute__((always_inline)) {
        asm volatile("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(c), "x"(q));
      });
  return total<float>(sums);
}

}  // namespace sterna::avx2
