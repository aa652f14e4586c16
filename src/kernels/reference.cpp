#include "kernels/reference.hpp"

namespace sterna::reference {

void ternary_matmul(const std::int8_t* trits, std::size_t rows, std::size_t cols, const std::int8_t* x,
                    std::size_t tokens, std::int32_t* out) {
  for (std::size_t m = 0; m < tokens; ++m) {
    for (std::size_t r = 0; r < rows; ++r) {
      std::int32_t sum = 0;
      for (std::size_t k = 0; k < cols; ++k) sum += trits[r * cols + k] * x[m * cols + k];
      out[m * rows + r] = sum;
    }
  }
}

float dot(const float* a, const float* b, std::size_t n) {
  float partials[32] = {};
  for (std::size_t k = 0; k < n; ++k) partials[k % 32] += a[k] * b[k];
  for (int half = 16; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) partials[i] += partials[i + half];
  }
  return partials[0];
}

}  // namespace sterna::reference
