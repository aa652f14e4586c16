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

}  // namespace sterna::reference
