// Singular values, and what follows from them: rank, condition, pseudo-inverse, least squares.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "sterna/linalg.hpp"
#include "sterna/ops.hpp"
#include "tensor/axis.hpp"
#include "tensor/linalg/arguments.hpp"
#include "tensor/linalg/columns.hpp"
#include "tensor/linalg/inverse.hpp"
#include "tensor/linalg/lapack.hpp"

namespace sterna {
namespace {

using namespace linalg;  // NOLINT(google-build-using-namespace): the layer's own

/// job as LAPACK's gesdd: 'A', 'S', or 'N', which leaves u and vt empty. Results of the type computed in.
Svd decompose(const char* operation, const Tensor& a, char job) {
  require_matrices(operation, a);
  const DType computed = computed_type(a.dtype());
  const Shape stack = Columns::stack_of(a);
  const Columns work = Columns::copy_of(a, computed);
  const int m = work.rows();
  const int n = work.cols();
  const int k = std::min(m, n);
  const int u_cols = job == 'A' ? m : job == 'S' ? k : 0;
  const int vt_rows = job == 'A' ? n : job == 'S' ? k : 0;
  const auto made = [&](int rows, int cols) {  // any orthonormal basis serves a matrix of nothing
    return k == 0 && job == 'A' ? Columns::copy_of(Tensor::eye(rows, computed), stack, computed)
                                : Columns(stack, rows, cols, computed);
  };
  const Columns u = made(m, u_cols);
  const Columns vt = made(vt_rows, n);
  const Tensor s = rows_over(stack, k, computed);
  const std::int64_t count = k == 0 ? 0 : count_of(stack);
  with_real(computed, [&]<class T>(T) {
    for (std::int64_t i = 0; i < count; ++i) {
      T* const values = s.mutable_data<T>() + i * k;
      const int status = gesdd(job, m, n, work.at<T>(i), values, u.at<T>(i), vt.at<T>(i));
      if (status != 0) throw no_result(operation, "the iteration does not converge", a, i, status);
    }
  });
  return {u.to(computed), s, vt.to(computed)};
}

/// ε of the type that a tensor is computed in.
double epsilon_of(const Tensor& a) {
  return computed_type(a.dtype()) == DType::F64 ? std::numeric_limits<double>::epsilon()
                                                : static_cast<double>(std::numeric_limits<float>::epsilon());
}

double default_relative(const Tensor& a) {
  return static_cast<double>(std::max(a.size(-1), a.size(-2))) * epsilon_of(a);
}

void require_tolerance(const char* operation, const std::optional<double>& tolerance, const Tensor& a) {
  if (tolerance && !(*tolerance >= 0))
    throw tensor_error(ErrorCategory::InvalidArgument, operation, "a tolerance is not negative", a,
                       {{"found", std::to_string(*tolerance)}});
}

/// Sums of |a| down the columns (axis −2) or along the rows, the largest.
Tensor largest_sum(const Tensor& a, std::int64_t axis) {
  const Tensor sums = sum(absolute(a), axis, true);
  return sums.size(-1) * sums.size(-2) == 0 ? Tensor::zeros(Columns::stack_of(a), a.dtype())
                                            : max(sums, {-2, -1});
}

/// A norm of a finite matrix of the type computed in.
Tensor norm_of(const char* operation, const Tensor& a, MatrixNorm kind) {
  switch (kind) {
    case MatrixNorm::Frobenius:
      return norm(a, 2, {-2, -1});
    case MatrixNorm::One:
      return largest_sum(a, -2);
    case MatrixNorm::Infinity:
      return largest_sum(a, -1);
    case MatrixNorm::Two:
    case MatrixNorm::Nuclear:
      break;
  }
  const Tensor s = decompose(operation, a, 'N').s;
  if (s.size(-1) == 0) return Tensor::zeros(Columns::stack_of(a), a.dtype());
  return kind == MatrixNorm::Two ? max(s, -1) : sum(s, -1);
}

}  // namespace

Svd svd(const Tensor& a, bool full) {
  Svd result = decompose("svd", a, full ? 'A' : 'S');
  const DType type = result_dtype(a.dtype());
  return {result.u.to(type), result.s.to(type), result.vt.to(type)};
}

Tensor svdvals(const Tensor& a) {
  return decompose("svdvals", a, 'N').s.to(result_dtype(a.dtype()));
}

Tensor matrix_norm(const Tensor& a, MatrixNorm kind) {
  require_matrices("matrix_norm", a);
  return norm_of("matrix_norm", a.to(computed_type(a.dtype())), kind).to(result_dtype(a.dtype()));
}

Tensor cond(const Tensor& a, MatrixNorm kind) {
  require_matrices("cond", a, kind != MatrixNorm::Two);
  if (a.size(-1) == 0 || a.size(-2) == 0)
    throw tensor_error(ErrorCategory::InvalidArgument, "cond", "a matrix of nothing has no condition", a);
  const Tensor wide = a.to(computed_type(a.dtype()));
  Tensor result;
  if (kind == MatrixNorm::Two) {
    const Tensor s = decompose("cond", wide, 'N').s;
    result = divide(s.select(-1, 0), s.select(-1, -1));
  } else {
    // Norms look at finite numbers: NaN stands for a singular matrix until then.
    const Tensor inverted = inverse("cond", wide, true);
    const Tensor singular = any(isnan(inverted), {-2, -1});
    const Tensor shape_like = singular.expand_dims({-1, -2});
    const Tensor finite = where(logical_or(shape_like, isinf(inverted)), 0, inverted);
    const Tensor overflow = any(isinf(inverted), {-2, -1});
    result = multiply(norm_of("cond", wide, kind), norm_of("cond", finite, kind));
    result = where(logical_or(singular, overflow), std::numeric_limits<double>::infinity(), result);
  }
  // 0/0 of a matrix of zeros.
  result = where(isnan(result), std::numeric_limits<double>::infinity(), result);
  return result.to(result_dtype(a.dtype()));
}

Tensor matrix_rank(const Tensor& a, std::optional<double> tolerance) {
  require_tolerance("matrix_rank", tolerance, a);
  const Tensor s = decompose("matrix_rank", a, 'N').s;
  if (s.size(-1) == 0) return Tensor::zeros(Columns::stack_of(a), DType::I64);
  if (tolerance) return count_nonzero(greater(s, *tolerance), -1);
  return count_nonzero(greater(s, multiply(max(s, -1, true), default_relative(a))), -1);
}

Tensor pinv(const Tensor& a, std::optional<double> relative) {
  require_tolerance("pinv", relative, a);
  const Svd parts = decompose("pinv", a, 'S');
  const DType type = result_dtype(a.dtype());
  if (parts.s.size(-1) == 0) {
    Shape shape = Columns::stack_of(a);
    shape.push_back(a.size(-1));
    shape.push_back(a.size(-2));
    return Tensor::zeros(shape, type);
  }
  const Tensor cut = multiply(max(parts.s, -1, true), relative.value_or(default_relative(a)));
  const Tensor inverted = where(greater(parts.s, cut), reciprocal(parts.s), 0);
  const Tensor scaled = multiply(inverted.expand_dims({-1}), parts.u.transpose(-1, -2));
  return matmul(parts.vt.transpose(-1, -2), scaled).to(type);
}

LeastSquares lstsq(const Tensor& a, const Tensor& b, std::optional<double> relative) {
  require_tolerance("lstsq", relative, a);
  require_matrices("lstsq", a);
  const bool vector = b.rank() == 1;
  const Tensor right = vector ? b.expand_dims({1}) : b;
  require_matrices("lstsq", right);
  if (a.rank() != 2 || right.rank() != 2)
    throw two_tensors("lstsq", "one matrix is wanted, and a vector or a matrix", a, b);
  if (a.size(0) != right.size(0))
    throw two_tensors("lstsq", "the right-hand side has another number of rows than the matrix", a, b);
  const DType type = result_type(result_dtype(a.dtype()), result_dtype(b.dtype()));
  const DType computed = computed_type(type);
  const Columns work = Columns::copy_of(a, computed);
  const int m = work.rows();
  const int n = work.cols();
  const int columns = static_cast<int>(right.size(1));
  const Columns x({}, std::max(m, n), columns, computed);
  x.tensor().fill(0);
  x.tensor().slice(0, {0, m}).assign(right);
  const Tensor s = rows_over({}, std::min(m, n), computed);
  int rank = 0;
  if (s.size() > 0) {
    with_real(computed, [&]<class T>(T) {
      // Without a right-hand side there is still the rank: one column of zeros.
      std::vector<T> zeros(columns == 0 ? static_cast<std::size_t>(std::max(m, n)) : 0);
      T* const rows = columns == 0 ? zeros.data() : x.at<T>(0);
      const int status = gelsd(m, n, std::max(columns, 1), work.at<T>(0), rows, s.mutable_data<T>(),
                               static_cast<T>(relative.value_or(default_relative(a.to(type)))), &rank);
      if (status != 0) throw no_result("lstsq", "the iteration does not converge", a, 0, status);
    });
  }
  const bool residuals = rank == n && m > n;
  LeastSquares result;
  result.residuals =
      residuals ? sum(square(x.tensor().slice(0, {n, m})), 0).to(type) : Tensor::empty({0}, type);
  Tensor solution = x.tensor().slice(0, {0, n}).clone().to(type);
  result.x = vector ? solution.squeeze({1}) : solution;
  result.rank = Tensor::scalar(rank);
  result.singular = s.to(type);
  return result;
}

}  // namespace sterna
