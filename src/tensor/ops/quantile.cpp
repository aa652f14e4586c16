// Median and quantiles: whole rows, partly sorted.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "tensor/ops/apply.hpp"
#include "tensor/ops/promote.hpp"
#include "tensor/ops/row_reader.hpp"

namespace sterna {
namespace {

/// The element of rank k (from 0) of unsorted ones without NaN.
template <class T>
double element(std::vector<T>& row, std::size_t k) {
  const auto at = row.begin() + static_cast<std::ptrdiff_t>(k);
  std::nth_element(row.begin(), at, row.end());
  return static_cast<double>(*at);
}

template <class T>
double quantile_of(std::vector<T>& row, double q) {
  const double at = q * static_cast<double>(row.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const double fraction = at - static_cast<double>(below);
  const double a = element(row, below);
  if (fraction == 0) return a;
  const double b =
      static_cast<double>(*std::min_element(row.begin() + static_cast<std::ptrdiff_t>(below) + 1, row.end()));
  return fraction < 0.5 ? a + (b - a) * fraction : b - (b - a) * (1 - fraction);  // never past b
}

template <class T>
double median_of(std::vector<T>& row) {
  const std::size_t upper = row.size() / 2;
  const double b = element(row, upper);
  if (row.size() % 2 == 1) return b;
  const double a =
      static_cast<double>(*std::max_element(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(upper)));
  return (a + b) / 2;
}

/// result[k, kept…] = of(row, k) for k < count, in F64 or F32; NaN for rows that have one, or nothing.
template <class T, class Of>
void each_row(const Tensor& x, const ops::Split& split, std::size_t count, const Tensor& result,
              const Of& of) {
  constexpr std::size_t kPortion = 512;
  ops::RowReader reader(x, split, dtype_of<T>(), kPortion, 1);
  T* const out = result.mutable_data<T>();
  const auto pitch = static_cast<std::size_t>(result.size()) / count;
  std::vector<T> row;
  for (std::size_t r = 0; reader.next_rows() != 0; ++r) {
    row.clear();
    while (const std::size_t n = reader.next_portion()) {
      const T* const from = static_cast<const T*>(reader.row(0));
      row.insert(row.end(), from, from + n);
    }
    const bool none =
        row.empty() || std::any_of(row.begin(), row.end(), [](T value) { return value != value; });
    for (std::size_t k = 0; k < count; ++k) {
      out[k * pitch + r] = none ? std::numeric_limits<T>::quiet_NaN() : static_cast<T>(of(row, k));
    }
  }
}

template <class Of>
Tensor of_rows(const char* operation, const Tensor& x, const ReducedAxes& axes, bool keepdims,
               std::optional<std::size_t> count, const Of& of) {
  ops::require_plain(operation, x);
  const ops::Split split = ops::split_axes(operation, x, axes, keepdims);
  const DType type = ops::is_float(x.dtype()) ? x.dtype() : DType::F64;
  Shape shape = split.shape;
  if (count) shape.insert(0, static_cast<std::int64_t>(*count));
  const Tensor result = Tensor::empty(shape, type == DType::F64 ? DType::F64 : DType::F32);
  if (result.size() != 0) {
    if (type == DType::F64) {
      each_row<double>(x, split, count.value_or(1), result, of);
    } else {
      each_row<float>(x, split, count.value_or(1), result, of);
    }
  }
  return result.to(type);
}

void require_fractions(const Tensor& x, std::span<const double> q) {
  for (const double value : q) {
    if (value >= 0 && value <= 1) continue;
    throw Error(ErrorCategory::InvalidArgument, "a quantile is asked for outside of 0 … 1",
                {{"operation", "quantile"}, {"q", std::to_string(value)}, {"shape", to_string(x.shape())}});
  }
}

}  // namespace

Tensor median(const Tensor& x, const ReducedAxes& axes, bool keepdims) {
  return of_rows("median", x, axes, keepdims, {}, [](auto& row, std::size_t) { return median_of(row); });
}

Tensor quantile(const Tensor& x, double q, const ReducedAxes& axes, bool keepdims) {
  require_fractions(x, {&q, 1});
  return of_rows("quantile", x, axes, keepdims, {},
                 [&](auto& row, std::size_t) { return quantile_of(row, q); });
}

Tensor quantile(const Tensor& x, std::span<const double> q, const ReducedAxes& axes, bool keepdims) {
  require_fractions(x, q);
  return of_rows("quantile", x, axes, keepdims, q.size(),
                 [&](auto& row, std::size_t k) { return quantile_of(row, q[k]); });
}

}  // namespace sterna
