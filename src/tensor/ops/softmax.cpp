// softmax and log_softmax: rows along one axis.
#include <cmath>
#include <string>

#include "tensor/ops/apply.hpp"
#include "tensor/ops/level.hpp"
#include "tensor/ops/promote.hpp"
#include "tensor/ops/reduce_row.hpp"

namespace sterna {
namespace {

/// The axes with this one moved to the end, and back.
struct Moved {
  Axes there;
  Axes back;
};
Moved to_end(std::size_t rank, std::size_t axis) {
  Moved moved{Axes::filled(rank, 0), Axes::filled(rank, 0)};
  std::size_t next = 0;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::size_t at = i == axis ? rank - 1 : next++;
    moved.there[at] = static_cast<std::int64_t>(i);
    moved.back[i] = static_cast<std::int64_t>(at);
  }
  return moved;
}

/// Rows of `n` floats one after the other, in place. The sum is added in double.
template <class T>
void rows(T* x, std::size_t count, std::size_t n, bool logarithm) {
  constexpr auto kType = static_cast<std::size_t>(dtype_of<T>());
  static const ops::ReduceRow& max_row = ops::reduce_row("max");
  static const ops::ReduceRow& sum_row = ops::reduce_row("sum");
  static const ops::OpRow& exp_row = ops::op_row("exp");
  const ops::Reducer& maximum = ops::reducers_of(max_row)[kType];
  const ops::Reducer& sum = ops::reducers_of(sum_row)[kType];
  const ops::Loop exponential = ops::loops_of(exp_row)[kType];
  std::vector<T> powers(logarithm ? n : 0);
  for (std::size_t r = 0; r < count; ++r, x += n) {
    ops::ReduceState state;
    T largest;
    maximum.begin(state);
    maximum.add(state, x, n);
    maximum.finish(state, n, &largest);
    for (std::size_t i = 0; i < n; ++i) x[i] -= largest;
    T* const e = logarithm ? powers.data() : x;
    const void* const in[] = {x};
    exponential(in, e, n);
    sum.begin(state);
    sum.add(state, e, n);
    T all;
    sum.finish(state, n, &all);
    if (logarithm) {
      const T log_sum = std::log(all);
      for (std::size_t i = 0; i < n; ++i) x[i] -= log_sum;
    } else {
      for (std::size_t i = 0; i < n; ++i) x[i] /= all;
    }
  }
}

Tensor along_axis(const char* operation, const Tensor& x, std::int64_t axis, bool logarithm) {
  ops::require_plain(operation, x);
  const std::size_t at = ops::normal_axis(operation, x, axis);
  const ops::Types types = ops::types_of(ops::Rule::Float, x.dtype());
  const Moved moved = to_end(x.rank(), at);
  Tensor work = x.permute(moved.there).to(types.computed);
  work = work.shares_storage_with(x) ? work.clone() : work.contiguous();
  if (work.size() != 0) {
    const auto n = static_cast<std::size_t>(x.shape()[at]);
    const auto count = static_cast<std::size_t>(work.size()) / n;
    if (types.computed == DType::F64) {
      rows(work.mutable_data<double>(), count, n, logarithm);
    } else {
      rows(work.mutable_data<float>(), count, n, logarithm);
    }
  }
  return work.permute(moved.back).contiguous().to(types.result);
}

Tensor along_axis_in_place(const char* operation, const Tensor& x, std::int64_t axis, bool logarithm) {
  if (!ops::is_float(x.dtype())) {
    throw Error(ErrorCategory::InvalidArgument, "the result cannot be stored in a type that has no fractions",
                {{"operation", operation}, {"dtype", std::string(name(x.dtype()))}});
  }
  x.assign(along_axis(operation, x, axis, logarithm));
  return x;
}

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t axis) {
  return along_axis("softmax", x, axis, false);
}
Tensor log_softmax(const Tensor& x, std::int64_t axis) {
  return along_axis("log_softmax", x, axis, true);
}
Tensor softmax_(const Tensor& x, std::int64_t axis) {
  return along_axis_in_place("softmax", x, axis, false);
}
Tensor log_softmax_(const Tensor& x, std::int64_t axis) {
  return along_axis_in_place("log_softmax", x, axis, true);
}

}  // namespace sterna
