#include "tensor/linalg/blas.hpp"

#include <limits>
#include <string>

#include <cblas.h>

#include "sterna/error.hpp"
#include "sterna/linalg.hpp"

namespace sterna::linalg {
namespace {

void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, const Lengths& l, const float* a, int lda, const float* b,
          int ldb, float* c) {
  cblas_sgemm(CblasRowMajor, ta, tb, l.m, l.n, l.k, 1, a, lda, b, ldb, 0, c, l.n);
}
void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, const Lengths& l, const double* a, int lda, const double* b,
          int ldb, double* c) {
  cblas_dgemm(CblasRowMajor, ta, tb, l.m, l.n, l.k, 1, a, lda, b, ldb, 0, c, l.n);
}
void gemv(CBLAS_TRANSPOSE t, int rows, int cols, const float* a, int lda, const float* x, int step,
          float* y) {
  cblas_sgemv(CblasRowMajor, t, rows, cols, 1, a, lda, x, step, 0, y, 1);
}
void gemv(CBLAS_TRANSPOSE t, int rows, int cols, const double* a, int lda, const double* x, int step,
          double* y) {
  cblas_dgemv(CblasRowMajor, t, rows, cols, 1, a, lda, x, step, 0, y, 1);
}

/// y = a·x for a(rows, cols), or aᵀ·x.
template <class T>
void times_vector(const T* a, Layout layout, int rows, int cols, bool transpose, const T* x, int step, T* y) {
  const CBLAS_TRANSPOSE t = layout.transposed != transpose ? CblasTrans : CblasNoTrans;
  if (layout.transposed) {
    gemv(t, cols, rows, a, layout.pitch, x, step, y);
  } else {
    gemv(t, rows, cols, a, layout.pitch, x, step, y);
  }
}

template <class T>
void product(const Lengths& l, const T* a, Layout al, const T* b, Layout bl, T* c) {
  if (l.n == 1) {
    times_vector(a, al, l.m, l.k, false, b, bl.transposed ? 1 : bl.pitch, c);
  } else if (l.m == 1) {
    times_vector(b, bl, l.k, l.n, true, a, al.transposed ? al.pitch : 1, c);
  } else {
    gemm(al.transposed ? CblasTrans : CblasNoTrans, bl.transposed ? CblasTrans : CblasNoTrans, l, a, al.pitch,
         b, bl.pitch, c);
  }
}

}  // namespace

std::optional<Layout> layout_of(std::int64_t rows, std::int64_t cols, std::int64_t row_stride,
                                std::int64_t col_stride) noexcept {
  // The stride of an axis of length 1 says nothing: the pitch is then as small as it may be.
  const auto fits = [](std::int64_t pitch, std::int64_t least) {
    return pitch >= least && pitch <= std::numeric_limits<int>::max();
  };
  if (col_stride == 1 || cols == 1) {
    const std::int64_t pitch = rows == 1 ? cols : row_stride;
    if (fits(pitch, cols)) return Layout{false, static_cast<int>(pitch)};
  }
  if (row_stride == 1 || rows == 1) {
    const std::int64_t pitch = cols == 1 ? rows : col_stride;
    if (fits(pitch, rows)) return Layout{true, static_cast<int>(pitch)};
  }
  return std::nullopt;
}

void gemm(const Lengths& lengths, const float* a, Layout a_layout, const float* b, Layout b_layout,
          float* c) {
  product(lengths, a, a_layout, b, b_layout, c);
}
void gemm(const Lengths& lengths, const double* a, Layout a_layout, const double* b, Layout b_layout,
          double* c) {
  product(lengths, a, a_layout, b, b_layout, c);
}

}  // namespace sterna::linalg

namespace sterna {

int linalg_threads() noexcept {
  return openblas_get_num_threads();
}

void linalg_threads(int count) {
  if (count < 1) {
    throw Error(ErrorCategory::InvalidArgument, "a number of threads is at least 1",
                {{"operation", "linalg_threads"}, {"found", std::to_string(count)}});
  }
  openblas_set_num_threads(count);
}

}  // namespace sterna
