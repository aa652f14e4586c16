// Functions that join, split, repeat and rearrange tensors.
#include <algorithm>
#include <utility>

#include "base/checked.hpp"
#include "sterna/manipulation.hpp"
#include "tensor/axis.hpp"
#include "tensor/ops/promote.hpp"

namespace sterna {
namespace {

/// A copy, unless it is one already.
Tensor own(const Tensor& result, const Tensor& of) {
  return result.shares_storage_with(of) ? result.clone() : result;
}

/// Element map(i) of an axis, for i < count.
template <class Map>
Tensor take_mapped(const Tensor& tensor, std::size_t axis, std::int64_t count, Map map) {
  const Tensor indices = Tensor::empty({count}, DType::I64);
  std::int64_t* at = indices.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < count; ++i) at[i] = map(i);
  return take(tensor, indices, static_cast<std::int64_t>(axis));
}

void require_tensors(const char* operation, std::span<const Tensor> tensors) {
  if (tensors.empty()) {
    throw Error(ErrorCategory::InvalidArgument, "at least one tensor is needed",
                {{"operation", operation}, {"tensors", "0"}});
  }
  for (const Tensor& each : tensors) require_plain(operation, each.dtype());
}

std::int64_t floor_mod(std::int64_t a, std::int64_t n) {
  const std::int64_t rest = a % n;
  return rest < 0 ? rest + n : rest;
}

}  // namespace

Tensor concat(std::span<const Tensor> tensors, MaybeAxis axis_argument) {
  require_tensors("concat", tensors);
  if (!axis_argument) {
    std::vector<Tensor> flat;
    for (const Tensor& each : tensors) flat.push_back(each.reshape({-1}));
    return concat(flat, 0);
  }
  const Tensor& first = tensors[0];
  const std::size_t axis = checked_axis("concat", *axis_argument, first.rank());
  Shape shape = first.shape();
  // Floats first, as NumPy does: i8, u8 and f16 are f16, though i8 and u8 are i16 and that with f16 were f32.
  std::optional<DType> dtype;
  for (const bool floats : {true, false}) {
    for (const Tensor& each : tensors) {
      if ((info(each.dtype()).kind == DTypeKind::Float) != floats) continue;
      dtype = dtype ? ops::common_type(*dtype, each.dtype()) : each.dtype();
    }
  }
  for (const Tensor& each : tensors.subspan(1)) {
    bool fits = each.rank() == first.rank();
    for (std::size_t k = 0; fits && k < shape.size(); ++k) fits = k == axis || each.shape()[k] == shape[k];
    const auto length = fits ? checked_add(shape[axis], each.shape()[axis]) : std::nullopt;
    if (!length) {
      throw tensor_error(ErrorCategory::Mismatch, "concat", "the shapes differ beside the axis", first,
                         {{"other", to_string(each.shape())}, {"axis", std::to_string(axis)}});
    }
    shape[axis] = *length;
  }
  Tensor result = Tensor::empty(shape, *dtype);
  std::int64_t at = 0;
  for (const Tensor& each : tensors) {
    const std::int64_t end = at + each.shape()[axis];
    result.slice(static_cast<std::int64_t>(axis), {at, end}).assign(each);
    at = end;
  }
  return result;
}

Tensor stack(std::span<const Tensor> tensors, std::int64_t axis_argument) {
  require_tensors("stack", tensors);
  const auto axis = static_cast<std::int64_t>(checked_axis("stack", axis_argument, tensors[0].rank() + 1));
  std::vector<Tensor> layers;
  for (const Tensor& each : tensors) {
    if (each.shape() != tensors[0].shape()) {
      throw tensor_error(ErrorCategory::Mismatch, "stack", "the shapes differ", tensors[0],
                         {{"other", to_string(each.shape())}});
    }
    layers.push_back(each.expand_dims({axis}));
  }
  return concat(layers, axis);
}

std::vector<Tensor> split(const Tensor& tensor, std::int64_t sections, std::int64_t axis_argument) {
  const std::size_t axis = checked_axis("split", axis_argument, tensor.rank());
  const std::int64_t length = tensor.shape()[axis];
  if (sections <= 0 || length % sections != 0) {
    throw tensor_error(ErrorCategory::InvalidArgument, "split",
                       "the axis does not divide into equal sections", tensor,
                       {{"axis", std::to_string(axis)}, {"sections", std::to_string(sections)}});
  }
  Dims at;
  for (std::int64_t k = 1; k < sections; ++k) at.push_back(k * (length / sections));
  return split_at(tensor, at, axis_argument);
}

std::vector<Tensor> split_at(const Tensor& tensor, const Dims& at, std::int64_t axis) {
  checked_axis("split_at", axis, tensor.rank());
  std::vector<Tensor> parts;
  std::int64_t begin = 0;
  for (const std::int64_t end : at) {
    parts.push_back(tensor.slice(axis, {begin, end}));
    begin = end;
  }
  parts.push_back(tensor.slice(axis, {begin, {}}));
  return parts;
}

Tensor repeat(const Tensor& tensor, const Tensor& counts, MaybeAxis axis_argument) {
  if (!axis_argument) return repeat(tensor.reshape({-1}), counts, 0);
  const std::size_t axis = checked_axis("repeat", *axis_argument, tensor.rank());
  const std::int64_t length = tensor.shape()[axis];
  if (info(counts.dtype()).kind != DTypeKind::Integer) {
    throw tensor_error(ErrorCategory::InvalidArgument, "repeat", "counts are integers", tensor,
                       {{"counts", std::string(name(counts.dtype()))}});
  }
  if (counts.rank() > 1 || (counts.size() != 1 && counts.size() != length)) {
    throw tensor_error(ErrorCategory::Mismatch, "repeat",
                       "one count is needed, or one for each element of the axis", tensor,
                       {{"counts", to_string(counts.shape())}, {"axis", std::to_string(axis)}});
  }
  const auto times = counts.to(DType::I64).broadcast_to({length}).to_vector<std::int64_t>();
  std::optional<std::int64_t> total = 0;
  for (const std::int64_t count : times) {
    if (count < 0 || (total && !(total = checked_add(*total, count)))) {
      throw tensor_error(ErrorCategory::InvalidArgument, "repeat",
                         "a count is negative, or their sum too large", tensor,
                         {{"found", std::to_string(count)}});
    }
  }
  std::int64_t from = 0;
  std::int64_t left = times.empty() ? 0 : times[0];
  return take_mapped(tensor, axis, *total, [&](std::int64_t) {
    while (left == 0) left = times[static_cast<std::size_t>(++from)];
    --left;
    return from;
  });
}

Tensor repeat(const Tensor& tensor, std::int64_t count, MaybeAxis axis) {
  return repeat(tensor, Tensor::scalar(count), axis);
}

Tensor tile(const Tensor& tensor, const Dims& repeats) {
  require_plain("tile", tensor.dtype());
  Shape shape = tensor.shape();
  Dims times = repeats;
  while (shape.size() < times.size()) shape.insert(0, 1);
  while (times.size() < shape.size()) times.insert(0, 1);
  // Every axis after one of length 1 that broadcasts: (r₀, n₀, r₁, n₁, …), read as (r₀·n₀, r₁·n₁, …).
  Shape single;
  Shape repeated;
  Shape joined;
  for (std::size_t k = 0; k < shape.size(); ++k) {
    const auto length = checked_mul(shape[k], times[k]);
    if (times[k] < 0 || !length) {
      throw tensor_error(ErrorCategory::InvalidArgument, "tile",
                         "a number of repeats is negative or too large", tensor,
                         {{"repeats", to_string(repeats)}});
    }
    for (const std::int64_t n : {std::int64_t{1}, shape[k]}) single.push_back(n);
    for (const std::int64_t n : {times[k], shape[k]}) repeated.push_back(n);
    joined.push_back(*length);
  }
  return own(tensor.reshape(single).broadcast_to(repeated).reshape(joined), tensor);
}

Tensor flip(const Tensor& tensor, const std::optional<Axes>& axes) {
  const std::vector<bool> reversed =
      axes ? checked_axes("flip", *axes, tensor.rank()) : std::vector<bool>(tensor.rank(), true);
  Tensor view = tensor;
  for (std::size_t k = 0; k < reversed.size(); ++k) {
    if (reversed[k]) view = view.slice(static_cast<std::int64_t>(k), {{}, {}, -1});
  }
  return view;
}

Tensor roll(const Tensor& tensor, std::int64_t shift, MaybeAxis axis_argument) {
  if (!axis_argument) return roll(tensor.reshape({-1}), shift, 0).reshape(tensor.shape());
  const auto axis = static_cast<std::int64_t>(checked_axis("roll", *axis_argument, tensor.rank()));
  require_plain("roll", tensor.dtype());
  const std::int64_t length = tensor.size(axis);
  Tensor result = Tensor::empty(tensor.shape(), tensor.dtype());
  if (result.size() == 0) return result;
  const std::int64_t by = floor_mod(shift, length);
  result.slice(axis, {by, length}).assign(tensor.slice(axis, {0, length - by}));
  result.slice(axis, {0, by}).assign(tensor.slice(axis, {length - by, length}));
  return result;
}

Tensor pad(const Tensor& tensor, std::span<const PadWidth> widths, PadMode mode, Scalar value) {
  require_plain("pad", tensor.dtype());
  const auto refuse = [&](std::string_view message, std::size_t axis) {
    throw tensor_error(ErrorCategory::InvalidArgument, "pad", message, tensor,
                       {{"axis", std::to_string(axis)}, {"widths", std::to_string(widths.size())}});
  };
  if (widths.size() != tensor.rank()) refuse("widths of every axis are needed", tensor.rank());
  Shape shape = tensor.shape();
  for (std::size_t k = 0; k < shape.size(); ++k) {
    const auto [before, after] = widths[k];
    const auto both = checked_add(before, after);
    const auto length = both ? checked_add(shape[k], *both) : std::nullopt;
    if (before < 0 || after < 0 || !length) refuse("a width is negative or too large", k);
    if (mode != PadMode::Constant && shape[k] == 0 && *both > 0)
      refuse("an axis has no element to repeat", k);
    shape[k] = *length;
  }
  if (mode == PadMode::Constant) {
    Tensor result = Tensor::full(shape, value, tensor.dtype());
    Tensor middle = result;
    for (std::size_t k = 0; k < shape.size(); ++k) {
      middle = middle.slice(static_cast<std::int64_t>(k),
                            {widths[k].before, widths[k].before + tensor.shape()[k]});
    }
    middle.assign(tensor);
    return result;
  }
  Tensor result = tensor;
  for (std::size_t k = 0; k < shape.size(); ++k) {
    const std::int64_t length = tensor.shape()[k];
    if (shape[k] == length) continue;
    result = take_mapped(result, k, shape[k], [&](std::int64_t i) {
      const std::int64_t at = i - widths[k].before;
      if (mode == PadMode::Edge) return std::clamp<std::int64_t>(at, 0, length - 1);
      if (mode == PadMode::Wrap) return floor_mod(at, length);
      if (length == 1) return std::int64_t{0};
      const std::int64_t turn = floor_mod(at, 2 * (length - 1));  // there and back again
      return std::min(turn, 2 * (length - 1) - turn);
    });
  }
  return own(result, tensor);
}

}  // namespace sterna
