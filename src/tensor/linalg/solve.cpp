// Systems of equations and determinants, by LU with partial pivoting.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "sterna/linalg.hpp"
#include "sterna/ops.hpp"
#include "tensor/linalg/arguments.hpp"
#include "tensor/linalg/columns.hpp"
#include "tensor/linalg/inverse.hpp"
#include "tensor/linalg/lapack.hpp"

namespace sterna {
namespace {

using namespace linalg;  // NOLINT(google-build-using-namespace): the layer's own

constexpr const char* kSingular = "the matrix is singular";

/// The determinant of the factors that getrf gives, as sign · mantissa · 2^exponent: the product itself may
/// overflow on the way to a number that does not.
struct Determinant {
  double mantissa = 1;  // with the sign, 0 or of magnitude in [½, 1); 1 of nothing
  std::int64_t exponent = 0;
};

template <class T>
Determinant determinant(int n, const T* factors, const std::vector<int>& pivots) {
  Determinant d;
  for (int i = 0; i < n; ++i) {
    const double u = static_cast<double>(factors[i + static_cast<std::int64_t>(i) * n]);
    int exponent = 0;
    d.mantissa = std::frexp(d.mantissa * (pivots[static_cast<std::size_t>(i)] == i + 1 ? u : -u), &exponent);
    d.exponent += exponent;
  }
  return d;
}

/// use(place, Determinant) for each matrix of `a`.
template <class Use>
void each_determinant(const char* operation, const Tensor& a, Use&& use) {
  require_matrices(operation, a, true);
  const DType computed = computed_type(a.dtype());
  const Columns work = Columns::copy_of(a, computed);
  const int n = work.rows();
  const std::int64_t count = count_of(Columns::stack_of(a));
  std::vector<int> pivots(static_cast<std::size_t>(n));
  with_real(computed, [&]<class T>(T) {
    for (std::int64_t i = 0; i < count; ++i) {
      if (n > 0)
        getrf(n, n, work.at<T>(i), pivots.data());  // info: a 0 on the diagonal, which the product sees
      use(i, determinant(n, work.at<T>(i), pivots));
    }
  });
}

}  // namespace

namespace linalg {

Tensor inverse(const char* operation, const Tensor& a, bool nan_if_singular) {
  require_matrices(operation, a, true);
  const DType computed = computed_type(a.dtype());
  const Columns work = Columns::copy_of(a, computed);
  const int n = work.rows();
  const Columns result = Columns::copy_of(Tensor::eye(n, computed), Columns::stack_of(a), computed);
  const std::int64_t count = result.tensor().size() == 0 ? 0 : count_of(Columns::stack_of(a));
  std::vector<int> pivots(static_cast<std::size_t>(n));
  with_real(computed, [&]<class T>(T) {
    for (std::int64_t i = 0; i < count; ++i) {
      T* const x = result.at<T>(i);
      const int status = gesv(n, n, work.at<T>(i), pivots.data(), x);
      if (status == 0) continue;
      if (!nan_if_singular) throw no_result(operation, kSingular, a, i, status);
      std::fill(x, x + static_cast<std::int64_t>(n) * n, std::numeric_limits<T>::quiet_NaN());
    }
  });
  return result.to(result_dtype(a.dtype()));
}

}  // namespace linalg

Tensor inv(const Tensor& a) {
  return inverse("inv", a, false);
}

Tensor solve(const Tensor& a, const Tensor& b) {
  require_matrices("solve", a, true);
  const bool vector = b.rank() == 1;
  const Tensor right = vector ? b.expand_dims({1}) : b;
  require_matrices("solve", right);
  const DType type = result_type(result_dtype(a.dtype()), result_dtype(b.dtype()));
  const DType computed = computed_type(type);
  if (a.size(-1) != right.size(-2))
    throw two_tensors("solve", "the right-hand side has another number of rows than the matrix", a, b);
  const Shape stacks[] = {Columns::stack_of(a), Columns::stack_of(right)};
  Shape stack;
  try {
    stack = broadcast_shapes(stacks);
  } catch (const Error&) {
    throw two_tensors("solve", "the stacks of matrices do not broadcast together", a, b);
  }
  const Columns work = Columns::copy_of(a, stack, computed);
  const Columns x = Columns::copy_of(right, stack, computed);
  const int n = work.rows();
  const std::int64_t count = x.tensor().size() == 0 ? 0 : count_of(stack);
  std::vector<int> pivots(static_cast<std::size_t>(n));
  with_real(computed, [&]<class T>(T) {
    for (std::int64_t i = 0; i < count; ++i) {
      const int status = gesv(n, x.cols(), work.at<T>(i), pivots.data(), x.at<T>(i));
      if (status != 0) throw no_result("solve", kSingular, a, i, status);
    }
  });
  const Tensor result = x.to(type);
  return vector ? result.squeeze({-1}) : result;
}

Tensor det(const Tensor& a) {
  Tensor result = Tensor::empty(a.rank() < 2 ? Shape{} : Columns::stack_of(a), DType::F64);
  each_determinant("det", a, [&](std::int64_t place, const Determinant& d) {
    // Beyond ±10000 the power is 0 or infinite whatever the mantissa is.
    const auto exponent = static_cast<int>(std::clamp<std::int64_t>(d.exponent, -10000, 10000));
    result.mutable_data<double>()[place] = std::ldexp(d.mantissa, exponent);
  });
  return result.to(result_dtype(a.dtype()));
}

SlogDet slogdet(const Tensor& a) {
  const Shape stack = a.rank() < 2 ? Shape{} : Columns::stack_of(a);
  const Tensor sign = Tensor::empty(stack, DType::F64);
  const Tensor logabs = Tensor::empty(stack, DType::F64);
  each_determinant("slogdet", a, [&](std::int64_t place, const Determinant& d) {
    constexpr double kLn2 = 0.693147180559945309417;
    sign.mutable_data<double>()[place] = d.mantissa == 0 ? 0 : std::copysign(1.0, d.mantissa);
    logabs.mutable_data<double>()[place] =
        std::log(std::abs(d.mantissa)) + static_cast<double>(d.exponent) * kLn2;
  });
  const DType type = result_dtype(a.dtype());
  return {sign.to(type), logabs.to(type)};
}

}  // namespace sterna
