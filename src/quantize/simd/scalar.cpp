// The reference: every loop one element at a time. This file is compiled with the compiler's vectorisation
// off.
#include "quantize/simd/elements.hpp"

namespace sterna::quant {
namespace {

void magnitude_sums(const float* x, std::size_t n, double* sums) {
  constexpr std::size_t kHeld = 8;  // sums at a time: more do not fit the registers, which takes longer
  const std::size_t whole = n - n % kSumLanes;
  for (std::size_t first = 0; first < kSumLanes; first += kHeld) {
    for (std::size_t i = first; i < whole; i += kSumLanes) {
      for (std::size_t l = 0; l < kHeld; ++l) sums[first + l] += static_cast<double>(std::abs(x[i + l]));
    }
  }
  for (std::size_t i = whole; i < n; ++i) sums[i - whole] += static_cast<double>(std::abs(x[i]));
}

float max_magnitude(const float* x, std::size_t n) {
  std::uint32_t most = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t bits = magnitude_bits(x[i]);
    most = bits > most ? bits : most;
  }
  return std::bit_cast<float>(most);
}

Extremes extremes(const float* x, std::size_t n) {
  Extremes seen{0, 0};
  for (std::size_t i = 0; i < n; ++i) seen = widened(seen, x[i]);
  return seen;
}

void ternarize(const float* x, std::size_t n, float threshold, std::int8_t* trits) {
  for (std::size_t i = 0; i < n; ++i) trits[i] = trit_of(x[i], threshold);
}

void signs(const float* x, std::size_t n, std::int8_t* codes) {
  for (std::size_t i = 0; i < n; ++i) codes[i] = sign_of(x[i]);
}

void encode(const float* x, std::size_t n, const CodeGrid& grid, std::int8_t* codes) {
  for (std::size_t i = 0; i < n; ++i) codes[i] = code_of(x[i], grid);
}

void encode_stochastic(const float* x, std::size_t n, const CodeGrid& grid, const float* units,
                       std::int8_t* codes) {
  for (std::size_t i = 0; i < n; ++i) codes[i] = code_of(x[i], grid, units[i]);
}

void decode(const std::int8_t* codes, std::size_t n, float scale, std::int32_t zero, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = value_of(codes[i], scale, zero);
}

}  // namespace

const Loops& scalar_loops() noexcept {
  static constexpr Loops kLoops{magnitude_sums, max_magnitude,     extremes, ternarize, signs,
                                encode,         encode_stochastic, decode,   fill_units};
  return kLoops;
}

}  // namespace sterna::quant
