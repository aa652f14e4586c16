// Reductions: rows of elements walked in portions, whatever their strides.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "tensor/ops/apply.hpp"
#include "tensor/ops/level.hpp"
#include "tensor/ops/promote.hpp"
#include "tensor/ops/reduce_row.hpp"
#include "tensor/ops/row_reader.hpp"

namespace sterna {
namespace ops {
namespace {

/// What is computed in, and what the result is.
struct ReduceTypes {
  DType computed;
  DType finished;  ///< what Reducer::finish writes
  DType result;
};

ReduceTypes types_of(ReduceRule rule, DType type) {
  const auto wide = [](DType t) { return t == DType::F16 || t == DType::BF16 ? DType::F32 : t; };
  switch (rule) {
    case ReduceRule::Sum:
      if (is_float(type)) return {wide(type), wide(type), type};
      type = is_unsigned_integer(type) ? DType::U64 : DType::I64;
      return {type, type, type};
    case ReduceRule::Mean:
      if (!is_float(type)) type = DType::F64;
      return {wide(type), wide(type), type};
    case ReduceRule::Extreme:
      return {wide(type), wide(type), type};
    case ReduceRule::Index:
      return {wide(type), DType::I64, DType::I64};
    case ReduceRule::Truth:
      return {DType::Bool, DType::Bool, DType::Bool};
    case ReduceRule::Count:
      return {DType::Bool, DType::I64, DType::I64};
  }
  return {type, type, type};
}

/// Elements of a row that are read at a time, and rows that are walked side by side where that follows
/// memory. The latter is a cache line of the smallest common element, F32.
constexpr std::size_t kPortion = 512;
constexpr std::size_t kRowsTogether = 16;
static_assert(kPortion % kReduceLanes == 0);

Tensor reduce(const ReduceRow& row, const Tensor& x, const ReducedAxes& axes, bool keepdims,
              double parameter = 0) {
  require_plain(row.name, x);
  const Split split = split_axes(row.name, x, axes, keepdims);
  const ReduceTypes types = types_of(row.rule, x.dtype());
  const Reducer& reducer = reducers_of(row)[static_cast<std::size_t>(types.computed)];
  if (reducer.begin == nullptr) {
    throw Error(ErrorCategory::Unsupported, "the operation has no meaning for elements of this type",
                {{"operation", std::string(row.name)}, {"dtype", std::string(name(x.dtype()))}});
  }
  const auto n = static_cast<std::size_t>(split.length);
  const bool extreme = row.rule == ReduceRule::Extreme || row.rule == ReduceRule::Index ||
                       row.name == "norm_max" || row.name == "norm_min";
  if (n == 0 && extreme) {
    throw Error(ErrorCategory::InvalidArgument, "no elements, so none is the extreme",
                {{"operation", std::string(row.name)}, {"shape", to_string(x.shape())}});
  }

  const Tensor result = Tensor::empty(split.shape, types.result);
  if (result.size() == 0) return result;

  const Convert convert = types.finished == types.result ? nullptr : converter(types.finished, types.result);
  const std::size_t result_size = info(types.result).block_bytes;
  std::byte* out = result.mutable_raw();
  RowReader rows(x, split, types.computed, kPortion, kRowsTogether);
  std::array<ReduceState, kRowsTogether> states;
  while (const std::size_t count = rows.next_rows()) {
    for (std::size_t r = 0; r < count; ++r) {
      states[r].parameter = parameter;
      reducer.begin(states[r]);
    }
    for (int walk = 0; walk < (reducer.again != nullptr ? 2 : 1); ++walk) {
      if (walk == 1) {
        for (std::size_t r = 0; r < count; ++r) reducer.again(states[r], n);
        rows.rewind();
      }
      while (const std::size_t portion = rows.next_portion()) {
        for (std::size_t r = 0; r < count; ++r) reducer.add(states[r], rows.row(r), portion);
      }
    }
    for (std::size_t r = 0; r < count; ++r) {
      std::byte finished[8];
      reducer.finish(states[r], n, finished);
      if (convert != nullptr) {
        convert(finished, out, 1);
      } else {
        std::memcpy(out, finished, result_size);
      }
      out += result_size;
    }
  }
  return result;
}

}  // namespace
}  // namespace ops

#define STERNA_REDUCTION(function)                                           \
  Tensor function(const Tensor& x, const ReducedAxes& axes, bool keepdims) { \
    static const ops::ReduceRow& row = ops::reduce_row(#function);           \
    return ops::reduce(row, x, axes, keepdims);                              \
  }
STERNA_REDUCTION(sum)
STERNA_REDUCTION(prod)
STERNA_REDUCTION(mean)
STERNA_REDUCTION(max)
STERNA_REDUCTION(min)
STERNA_REDUCTION(any)
STERNA_REDUCTION(all)
STERNA_REDUCTION(count_nonzero)

Tensor var(const Tensor& x, const ReducedAxes& axes, double ddof, bool keepdims) {
  static const ops::ReduceRow& row = ops::reduce_row("var");
  return ops::reduce(row, x, axes, keepdims, ddof);
}
Tensor std(const Tensor& x, const ReducedAxes& axes, double ddof, bool keepdims) {
  static const ops::ReduceRow& row = ops::reduce_row("std");
  return ops::reduce(row, x, axes, keepdims, ddof);
}

Tensor argmax(const Tensor& x, std::optional<std::int64_t> axis, bool keepdims) {
  static const ops::ReduceRow& row = ops::reduce_row("argmax");
  return ops::reduce(row, x, axis ? ReducedAxes(*axis) : ReducedAxes(), keepdims);
}
Tensor argmin(const Tensor& x, std::optional<std::int64_t> axis, bool keepdims) {
  static const ops::ReduceRow& row = ops::reduce_row("argmin");
  return ops::reduce(row, x, axis ? ReducedAxes(*axis) : ReducedAxes(), keepdims);
}

Tensor norm(const Tensor& x, double order, const ReducedAxes& axes, bool keepdims) {
  if (order == 0) {
    const Tensor count = count_nonzero(x, axes, keepdims);
    return count.to(ops::is_float(x.dtype()) ? x.dtype() : DType::F64);
  }
  const char* const name = order == 2           ? "norm_2"
                           : order == 1         ? "norm_1"
                           : !std::isinf(order) ? "norm_p"
                           : order > 0          ? "norm_max"
                                                : "norm_min";
  if (order != order)
    throw Error(ErrorCategory::InvalidArgument, "the order of a norm is NaN", {{"operation", "norm"}});
  return ops::reduce(ops::reduce_row(name), x, axes, keepdims, order == 2 ? 0 : order);
}

}  // namespace sterna
