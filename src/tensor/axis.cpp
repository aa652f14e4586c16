#include "tensor/axis.hpp"

#include "base/checked.hpp"
#include "tensor/visit_dtype.hpp"

namespace sterna {

void refuse_dtype(std::string_view operation, DType dtype) {
  throw Error(ErrorCategory::Unsupported, "the operation does not take this dtype",
              {{"operation", std::string(operation)}, {"dtype", std::string(name(dtype))}});
}

void require_plain(std::string_view operation, DType dtype) {
  if (!info(dtype).is_plain()) refuse_dtype(operation, dtype);
}

Error tensor_error(ErrorCategory category, std::string_view operation, std::string_view message,
                   const Tensor& tensor, Error::Values more) {
  Error::Values values{{"operation", std::string(operation)},
                       {"shape", to_string(tensor.shape())},
                       {"dtype", std::string(name(tensor.dtype()))}};
  values.insert(values.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  return Error(category, message, std::move(values));
}

std::size_t checked_axis(std::string_view operation, std::int64_t axis, std::size_t rank) {
  const auto axes = static_cast<std::int64_t>(rank);
  if (axis < -axes || axis >= axes) {
    throw Error(ErrorCategory::InvalidArgument, "no such axis",
                {{"operation", std::string(operation)},
                 {"axis", std::to_string(axis)},
                 {"rank", std::to_string(rank)}});
  }
  return static_cast<std::size_t>(axis < 0 ? axis + axes : axis);
}

std::vector<bool> checked_axes(std::string_view operation, const Axes& axes, std::size_t rank) {
  std::vector<bool> named(rank, false);
  for (const std::int64_t each : axes) {
    const std::size_t axis = checked_axis(operation, each, rank);
    if (named[axis]) {
      throw Error(
          ErrorCategory::InvalidArgument, "an axis is named twice",
          {{"operation", std::string(operation)}, {"axes", to_string(axes)}, {"rank", std::to_string(rank)}});
    }
    named[axis] = true;
  }
  return named;
}

std::int64_t checked_index(std::string_view operation, std::int64_t at, std::int64_t length) {
  if (at < -length || at >= length) {
    throw Error(ErrorCategory::InvalidArgument, "index out of bounds",
                {{"operation", std::string(operation)},
                 {"index", std::to_string(at)},
                 {"length", std::to_string(length)}});
  }
  return at < 0 ? at + length : at;
}

SliceBounds clamp_slice(const Slice& slice, std::int64_t length) {
  if (slice.step == 0) throw Error(ErrorCategory::InvalidArgument, "a slice's step is 0");
  const bool forward = slice.step > 0;
  // Backwards the last place before the beginning is −1, and the first one length − 1.
  const std::int64_t lowest = forward ? 0 : -1;
  const std::int64_t highest = forward ? length : length - 1;
  const auto clamped = [&](std::int64_t at) {
    if (at < 0) at = at < -length ? -1 : at + length;
    return std::clamp(at, lowest, highest);
  };
  const std::int64_t start = slice.start ? clamped(*slice.start) : forward ? lowest : highest;
  std::int64_t stop = forward ? highest : lowest;
  if (slice.stop) stop = clamped(*slice.stop);
  const std::int64_t distance = forward ? stop - start : start - stop;
  if (distance <= 0) return {forward ? start : std::max<std::int64_t>(start, 0), 0, slice.step};
  // |step| as an unsigned number, for the lowest int64 has no positive twin.
  const std::uint64_t step = forward ? static_cast<std::uint64_t>(slice.step)
                                     : std::uint64_t{0} - static_cast<std::uint64_t>(slice.step);
  return {start, static_cast<std::int64_t>(ceil_div(static_cast<std::uint64_t>(distance), step)), slice.step};
}

}  // namespace sterna
