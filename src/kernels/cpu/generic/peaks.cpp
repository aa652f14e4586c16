// What the compiler makes of multiplying and adding in plain C: the loops of the generic kernels over arrays
// that stay in the first-level cache.
#include <cstddef>
#include <cstdint>

namespace sterna::generic {

// clang-format off
#include "kernels/cpu/peaks-inl.hpp"
#include "kernels/cpu/generic/simd.hpp"
// clang-format on

namespace {

/// Two arrays of kCount equal numbers, which the compiler must believe to change from step to step.
template <class Element, std::size_t kCount>
struct Arrays {
  Arrays(std::int8_t code, std::int8_t activation) {
    for (Element& v : codes) v = code;
    for (Element& v : activations) v = activation;
  }
  void touch() { asm volatile("" : : "r"(codes), "r"(activations) : "memory"); }

  alignas(64) Element codes[kCount];
  alignas(64) Element activations[kCount];
};

template <class Element, std::size_t kCount>
std::uint64_t peak_of_integers(std::size_t steps, std::int8_t code, std::int8_t activation) {
  Arrays<Element, kCount> arrays(code, activation);
  std::uint64_t all = 0;
  for (std::size_t s = 0; s < steps; ++s) {
    arrays.touch();
    std::int32_t sum = 0;
    for (std::size_t k = 0; k < kCount; ++k) sum += arrays.codes[k] * arrays.activations[k];
    all += static_cast<std::uint64_t>(sum);
  }
  return all;
}

}  // namespace

std::uint64_t peak_int8(std::size_t steps, std::int8_t code, std::int8_t activation) {
  return peak_of_integers<std::int8_t, 2048>(steps, code, activation);
}

std::uint64_t peak_int16(std::size_t steps, std::int8_t code, std::int8_t activation) {
  return peak_of_integers<std::int16_t, 1024>(steps, code, activation);
}

std::uint64_t peak_float(std::size_t steps, std::int8_t code, std::int8_t activation) {
  constexpr std::size_t kCount = 512;
  constexpr std::size_t kSums = 32;  // the partial sums of the canonical order
  Arrays<float, kCount> arrays(code, activation);
  std::uint64_t all = 0;
  for (std::size_t s = 0; s < steps; ++s) {
    arrays.touch();
    float sums[kSums] = {};
    for (std::size_t k = 0; k < kCount; k += kSums) {
      for (std::size_t i = 0; i < kSums; ++i) sums[i] += arrays.codes[k + i] * arrays.activations[k + i];
    }
    for (const float sum : sums) all += static_cast<std::uint64_t>(sum);
  }
  return all;
}

std::uint64_t peak_fused(std::size_t steps, std::int8_t code, std::int8_t activation) {
  constexpr std::size_t kCount = 128;
  constexpr std::size_t kSums = 8;  // those of a tile of attention
  Arrays<float, kCount> arrays(code, activation);
  std::uint64_t all = 0;
  for (std::size_t s = 0; s < steps; ++s) {
    arrays.touch();
    F sums[kSums] = {};
    for (std::size_t k = 0; k < kCount; k += kSums * kLanes) {
      for (std::size_t i = 0; i < kSums; ++i) {
        const std::size_t at = k + i * kLanes;
        sums[i] = multiply_add(load(arrays.codes + at), load(arrays.activations + at), sums[i]);
      }
    }
    for (const F sum : sums) {
      for (int i = 0; i < kLanes; ++i) all += static_cast<std::uint64_t>(sum[i]);
    }
  }
  return all;
}

}  // namespace sterna::generic
