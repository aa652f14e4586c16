// The products of OpenBLAS, on matrices that may lie row by row or column by column.
#pragma once

#include <cstdint>
#include <optional>

namespace sterna::linalg {

/// How a matrix lies: row by row, `pitch` elements apart, or (transposed) column by column.
struct Layout {
  bool transposed;
  int pitch;
};
/// The layout of a matrix with these strides in elements, or nothing when BLAS has none for it.
std::optional<Layout> layout_of(std::int64_t rows, std::int64_t cols, std::int64_t row_stride,
                                std::int64_t col_stride) noexcept;

/// The lengths of c(m, n) = a(m, k)·b(k, n), none of them 0.
struct Lengths {
  int m, n, k;
};

/// c = a·b. `c` lies row by row without gaps and, where m or n is 1, holds zeros.
void gemm(const Lengths& lengths, const float* a, Layout a_layout, const float* b, Layout b_layout, float* c);
void gemm(const Lengths& lengths, const double* a, Layout a_layout, const double* b, Layout b_layout,
          double* c);

}  // namespace sterna::linalg
