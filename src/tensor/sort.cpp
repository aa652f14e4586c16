// Functions that order elements, and sums along the way.
#include <algorithm>
#include <numeric>
#include <utility>

#include "sterna/manipulation.hpp"
#include "tensor/axis.hpp"
#include "tensor/ops/promote.hpp"
#include "tensor/visit_dtype.hpp"

namespace sterna {
namespace {

/// The order of sorting: NaN after everything else, −0 equal to 0.
template <class T>
bool before(T a, T b) {
  if constexpr (kIsFloat<T>) {
    const auto x = static_cast<Arithmetic<T>>(a);
    const auto y = static_cast<Arithmetic<T>>(b);
    return x < y || (y != y && x == x);
  } else {
    return a < b;
  }
}

/// One axis moved to the end, so that its lanes lie one after the other.
struct Lanes {
  std::int64_t axis;  // of the original
  Tensor tensor;      // contiguous
  std::int64_t length;
  std::int64_t count;

  Lanes(const char* operation, const Tensor& original, std::int64_t axis_argument)
      : axis(static_cast<std::int64_t>(checked_axis(operation, axis_argument, original.rank()))),
        tensor(original.transpose(axis, -1).clone()),
        length(original.size(axis)),
        count(length == 0 ? 0 : original.size() / length) {}

  /// A tensor whose last axis is the lane, with the axis where it was.
  Tensor back(const Tensor& lanes) const { return lanes.transpose(axis, -1).contiguous(); }
};

/// The places of a lane's elements in sorted order.
template <class T>
void order_lane(const T* lane, std::int64_t* order, std::int64_t length) {
  std::iota(order, order + length, 0);
  std::stable_sort(order, order + length,
                   [&](std::int64_t a, std::int64_t b) { return before(lane[a], lane[b]); });
}

}  // namespace

Tensor sort(const Tensor& tensor, MaybeAxis axis) {
  if (!axis) return sort(tensor.reshape({-1}), 0);
  const Lanes lanes("sort", tensor, *axis);
  visit_dtype(tensor.dtype(), "sort", [&]<class T>(std::type_identity<T>) {
    T* lane = lanes.tensor.mutable_data<T>();
    for (std::int64_t i = 0; i < lanes.count; ++i, lane += lanes.length) {
      if constexpr (kIsFloat<T>) {  // −0 and 0 keep their order
        std::stable_sort(lane, lane + lanes.length, before<T>);
      } else {
        std::sort(lane, lane + lanes.length);
      }
    }
  });
  return lanes.back(lanes.tensor);
}

Tensor argsort(const Tensor& tensor, MaybeAxis axis) {
  if (!axis) return argsort(tensor.reshape({-1}), 0);
  const Lanes lanes("argsort", tensor, *axis);
  const Tensor result = Tensor::empty(lanes.tensor.shape(), DType::I64);
  std::int64_t* order = result.mutable_data<std::int64_t>();
  visit_dtype(tensor.dtype(), "argsort", [&]<class T>(std::type_identity<T>) {
    const T* lane = lanes.tensor.data<T>();
    for (std::int64_t i = 0; i < lanes.count; ++i)
      order_lane(lane + i * lanes.length, order + i * lanes.length, lanes.length);
  });
  return lanes.back(result);
}

TopK topk(const Tensor& tensor, std::int64_t count, std::int64_t axis, bool largest) {
  const Lanes lanes("topk", tensor, axis);
  if (count < 0 || count > lanes.length) {
    throw tensor_error(ErrorCategory::InvalidArgument, "topk", "the axis does not have as many elements",
                       tensor, {{"axis", std::to_string(axis)}, {"count", std::to_string(count)}});
  }
  Shape shape = lanes.tensor.shape();
  shape.back() = count;
  const Tensor places = Tensor::empty(shape, DType::I64);
  const Tensor values = Tensor::empty(shape, tensor.dtype());
  std::vector<std::int64_t> order(static_cast<std::size_t>(lanes.length));
  visit_dtype(tensor.dtype(), "topk", [&]<class T>(std::type_identity<T>) {
    const T* lane = lanes.tensor.data<T>();
    std::int64_t* place = places.mutable_data<std::int64_t>();
    T* value = values.mutable_data<T>();
    for (std::int64_t i = 0; i < lanes.count; ++i, lane += lanes.length) {
      std::iota(order.begin(), order.end(), 0);
      std::partial_sort(order.begin(), order.begin() + count, order.end(),
                        [&](std::int64_t a, std::int64_t b) {
                          const T& x = lane[largest ? b : a];
                          const T& y = lane[largest ? a : b];
                          return before(x, y) || (!before(y, x) && a < b);
                        });
      for (std::int64_t k = 0; k < count; ++k) {
        *place++ = order[static_cast<std::size_t>(k)];
        *value++ = lane[order[static_cast<std::size_t>(k)]];
      }
    }
  });
  return {lanes.back(values), lanes.back(places)};
}

Unique unique(const Tensor& tensor) {
  const Tensor flat = tensor.reshape({-1}).contiguous();
  const std::int64_t size = flat.size();
  std::vector<std::int64_t> order(static_cast<std::size_t>(size));
  std::vector<std::int64_t> first;
  std::vector<std::int64_t> counts;
  Tensor inverse = Tensor::empty({size}, DType::I64);
  std::int64_t* group = inverse.mutable_data<std::int64_t>();
  visit_dtype(tensor.dtype(), "unique", [&]<class T>(std::type_identity<T>) {
    const T* value = flat.data<T>();
    order_lane(value, order.data(), size);
    for (const std::int64_t at : order) {
      if (first.empty() || before(value[first.back()], value[at])) {
        first.push_back(at);
        counts.push_back(0);
      }
      ++counts.back();
      group[at] = static_cast<std::int64_t>(first.size()) - 1;
    }
  });
  const Tensor index = Tensor::from<std::int64_t>(first);
  return {take(flat, index, 0), index, inverse.reshape(tensor.shape()), Tensor::from<std::int64_t>(counts)};
}

Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right) {
  if (sorted.rank() != 1)
    throw tensor_error(ErrorCategory::InvalidArgument, "searchsorted", "what is searched has one axis",
                       sorted);
  require_plain("searchsorted", sorted.dtype());
  require_plain("searchsorted", values.dtype());
  const DType dtype = ops::common_type(sorted.dtype(), values.dtype());
  const Tensor in = sorted.to(dtype).contiguous();
  const Tensor wanted = values.to(dtype).contiguous();
  Tensor result = Tensor::empty(values.shape(), DType::I64);
  std::int64_t* out = result.mutable_data<std::int64_t>();
  visit_dtype(dtype, "searchsorted", [&]<class T>(std::type_identity<T>) {
    const T* begin = in.data<T>();
    const T* end = begin + in.size();
    const T* value = wanted.data<T>();
    for (std::int64_t i = 0; i < result.size(); ++i) {
      const T* found = right ? std::upper_bound(begin, end, value[i], before<T>)
                             : std::lower_bound(begin, end, value[i], before<T>);
      out[i] = found - begin;
    }
  });
  return result;
}

Tensor cumsum(const Tensor& tensor, MaybeAxis axis, std::optional<DType> dtype) {
  if (!axis) return cumsum(tensor.reshape({-1}), 0, dtype);
  require_plain("cumsum", tensor.dtype());
  const DType given = tensor.dtype();
  const bool integer = info(given).kind == DTypeKind::Integer;
  const DType sum = dtype                                       ? *dtype
                    : !integer                                  ? given
                    : given >= DType::U8 && given <= DType::U64 ? DType::U64
                                                                : DType::I64;
  require_plain("cumsum", sum);
  const Lanes lanes("cumsum", tensor.to(sum), *axis);
  visit_dtype(sum, "cumsum", [&]<class T>(std::type_identity<T>) {
    T* lane = lanes.tensor.mutable_data<T>();
    for (std::int64_t i = 0; i < lanes.count; ++i, lane += lanes.length) {
      for (std::int64_t k = 1; k < lanes.length; ++k) {
        if constexpr (std::is_same_v<T, bool>) {
          lane[k] = lane[k] || lane[k - 1];
        } else if constexpr (kIsFloat<T>) {
          lane[k] =
              static_cast<T>(static_cast<Arithmetic<T>>(lane[k - 1]) + static_cast<Arithmetic<T>>(lane[k]));
        } else {  // modulo 2^bits, which only unsigned arithmetic is
          lane[k] =
              static_cast<T>(static_cast<std::uint64_t>(lane[k - 1]) + static_cast<std::uint64_t>(lane[k]));
        }
      }
    }
  });
  return lanes.back(lanes.tensor);
}

}  // namespace sterna
