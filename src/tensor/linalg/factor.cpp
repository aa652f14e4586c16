// Factorizations into triangles and orthonormal columns: LU, QR, Cholesky.
#include <algorithm>
#include <numeric>
#include <vector>

#include "sterna/linalg.hpp"
#include "tensor/linalg/arguments.hpp"
#include "tensor/linalg/columns.hpp"
#include "tensor/linalg/lapack.hpp"

namespace sterna {
namespace {

using namespace linalg;  // NOLINT(google-build-using-namespace): the layer's own

/// The rows and columns of `from` that `to` has, and of those the triangle on and above the diagonal, or on
/// and below it; 0 elsewhere. Columns of from_rows and to_rows elements.
enum class Triangle : std::uint8_t { Upper, Lower };
template <class T>
void copy_triangle(Triangle triangle, const T* from, int from_rows, T* to, int to_rows, int to_cols) {
  for (std::int64_t j = 0; j < to_cols; ++j) {
    for (std::int64_t i = 0; i < to_rows; ++i) {
      const bool inside = triangle == Triangle::Upper ? i <= j : i >= j;
      to[i + j * to_rows] = inside ? from[i + j * from_rows] : T{0};
    }
  }
}

}  // namespace

Lu lu(const Tensor& a) {
  require_matrices("lu", a);
  const DType computed = computed_type(a.dtype());
  const Shape stack = Columns::stack_of(a);
  const Columns work = Columns::copy_of(a, computed);
  const int m = work.rows();
  const int n = work.cols();
  const int k = std::min(m, n);
  const Columns lower(stack, m, k, computed);
  const Columns upper(stack, k, n, computed);
  const Tensor rows = rows_over(stack, m, DType::I64);
  std::vector<int> pivots(static_cast<std::size_t>(k));
  with_real(computed, [&]<class T>(T) {
    for (std::int64_t i = 0; i < count_of(stack); ++i) {
      if (m == 0) continue;
      std::int64_t* const order = rows.mutable_data<std::int64_t>() + i * m;
      std::iota(order, order + m, std::int64_t{0});
      if (k == 0) continue;
      getrf(m, n, work.at<T>(i), pivots.data());  // info: a 0 on the diagonal of u, which is no fault here
      for (int j = 0; j < k; ++j) std::swap(order[j], order[pivots[static_cast<std::size_t>(j)] - 1]);
      copy_triangle(Triangle::Lower, work.at<T>(i), m, lower.at<T>(i), m, k);
      for (std::int64_t j = 0; j < k; ++j) lower.at<T>(i)[j + j * m] = 1;
      copy_triangle(Triangle::Upper, work.at<T>(i), m, upper.at<T>(i), k, n);
    }
  });
  const DType type = result_dtype(a.dtype());
  return {rows, lower.to(type), upper.to(type)};
}

Qr qr(const Tensor& a, bool complete) {
  require_matrices("qr", a);
  const DType computed = computed_type(a.dtype());
  const Shape stack = Columns::stack_of(a);
  const Columns work = Columns::copy_of(a, computed);
  const int m = work.rows();
  const int n = work.cols();
  const int k = std::min(m, n);
  const int inner = complete ? m : k;
  const Columns q = k == 0 ? Columns::copy_of(Tensor::eye(m, computed, inner), stack, computed)
                           : Columns(stack, m, inner, computed);
  const Columns r(stack, inner, n, computed);
  const std::int64_t count = k == 0 ? 0 : count_of(stack);
  with_real(computed, [&]<class T>(T) {
    std::vector<T> factors(static_cast<std::size_t>(k));
    for (std::int64_t i = 0; i < count; ++i) {
      geqrf(m, n, work.at<T>(i), factors.data());
      copy_triangle(Triangle::Upper, work.at<T>(i), m, r.at<T>(i), inner, n);
      std::copy_n(work.at<T>(i), static_cast<std::int64_t>(m) * k, q.at<T>(i));
      std::fill(q.at<T>(i) + static_cast<std::int64_t>(m) * k,
                q.at<T>(i) + static_cast<std::int64_t>(m) * inner, T{0});
      orgqr(m, inner, k, q.at<T>(i), factors.data());
    }
  });
  const DType type = result_dtype(a.dtype());
  return {q.to(type), r.to(type)};
}

Tensor cholesky(const Tensor& a) {
  require_matrices("cholesky", a, true);
  const DType computed = computed_type(a.dtype());
  const Columns work = Columns::copy_of(a, computed);
  const Columns lower(Columns::stack_of(a), work.rows(), work.rows(), computed);
  const int n = work.rows();
  const std::int64_t count = n == 0 ? 0 : count_of(Columns::stack_of(a));
  with_real(computed, [&]<class T>(T) {
    for (std::int64_t i = 0; i < count; ++i) {
      const int status = potrf(n, work.at<T>(i));
      if (status != 0) throw no_result("cholesky", "the matrix is not positive definite", a, i, status);
      copy_triangle(Triangle::Lower, work.at<T>(i), n, lower.at<T>(i), n, n);
    }
  });
  return lower.to(result_dtype(a.dtype()));
}

}  // namespace sterna
