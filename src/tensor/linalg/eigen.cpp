// Eigenvalues and eigenvectors, of symmetric matrices and of any square ones.
#include "sterna/linalg.hpp"
#include "tensor/linalg/arguments.hpp"
#include "tensor/linalg/columns.hpp"
#include "tensor/linalg/lapack.hpp"

namespace sterna {
namespace {

using namespace linalg;  // NOLINT(google-build-using-namespace): the layer's own

constexpr const char* kNotConverged = "the iteration does not converge";

Eigh symmetric(const char* operation, const Tensor& a, bool vectors) {
  require_matrices(operation, a, true);
  const DType computed = computed_type(a.dtype());
  const Shape stack = Columns::stack_of(a);
  const Columns work = Columns::copy_of(a, computed);
  const int n = work.rows();
  const Tensor values = rows_over(stack, n, computed);
  const std::int64_t count = n == 0 ? 0 : count_of(stack);
  with_real(computed, [&]<class T>(T) {
    for (std::int64_t i = 0; i < count; ++i) {
      const int status = syevd(vectors, n, work.at<T>(i), values.mutable_data<T>() + i * n);
      if (status != 0) throw no_result(operation, kNotConverged, a, i, status);
    }
  });
  const DType type = result_dtype(a.dtype());
  return {values.to(type), vectors ? work.to(type) : Tensor()};
}

/// LAPACK's eigenvectors: one column for a real value; for a pair the real part, then the imaginary part of
/// the first, of which the second is the conjugate.
template <class T>
void unpack_vectors(int n, const T* packed, const T* values_imag, T* real, T* imag) {
  const std::int64_t rows = n;
  for (std::int64_t j = 0; j < rows; ++j) {
    const bool pair = values_imag[j] != 0 && j + 1 < rows;
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t at = i + j * rows;
      real[at] = packed[at];
      imag[at] = pair ? packed[at + rows] : T{0};
      if (!pair) continue;
      real[at + rows] = real[at];
      imag[at + rows] = -imag[at];
    }
    if (pair) ++j;
  }
}

Eig general(const char* operation, const Tensor& a, bool vectors) {
  require_matrices(operation, a, true);
  const DType computed = computed_type(a.dtype());
  const Shape stack = Columns::stack_of(a);
  const Columns work = Columns::copy_of(a, computed);
  const int n = work.rows();
  const Tensor values = rows_over(stack, n, computed);
  const Tensor values_imag = rows_over(stack, n, computed);
  const Columns packed(stack, vectors ? n : 0, n, computed);
  const Columns real(stack, vectors ? n : 0, n, computed);
  const Columns imag(stack, vectors ? n : 0, n, computed);
  const std::int64_t count = n == 0 ? 0 : count_of(stack);
  with_real(computed, [&]<class T>(T) {
    for (std::int64_t i = 0; i < count; ++i) {
      T* const imaginary = values_imag.mutable_data<T>() + i * n;
      const int status = geev(n, work.at<T>(i), values.mutable_data<T>() + i * n, imaginary, packed.at<T>(i));
      if (status != 0) throw no_result(operation, kNotConverged, a, i, status);
      if (vectors) unpack_vectors(n, packed.at<T>(i), imaginary, real.at<T>(i), imag.at<T>(i));
    }
  });
  const DType type = result_dtype(a.dtype());
  return {values.to(type), values_imag.to(type), vectors ? real.to(type) : Tensor(),
          vectors ? imag.to(type) : Tensor()};
}

}  // namespace

Eigh eigh(const Tensor& a) {
  return symmetric("eigh", a, true);
}
Tensor eigvalsh(const Tensor& a) {
  return symmetric("eigvalsh", a, false).values;
}
Eig eig(const Tensor& a) {
  return general("eig", a, true);
}
Eig eigvals(const Tensor& a) {
  return general("eigvals", a, false);
}

}  // namespace sterna
