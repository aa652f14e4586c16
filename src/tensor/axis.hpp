// Axes and lengths as arguments: what every function on tensors checks and how it says so.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sterna/error.hpp"
#include "sterna/tensor.hpp"

namespace sterna {

/// An error of `operation`, with shape and dtype of the tensor it was asked of.
Error tensor_error(ErrorCategory category, std::string_view operation, std::string_view message,
                   const Tensor& tensor, Error::Values more = {});

/// `axis` of a tensor of `rank` axes, counted from the front. Throws InvalidArgument.
std::size_t checked_axis(std::string_view operation, std::int64_t axis, std::size_t rank);
/// Which axes a list names, each once. Throws InvalidArgument.
std::vector<bool> checked_axes(std::string_view operation, const Axes& axes, std::size_t rank);
/// `at` of an axis, counted from the front. Throws InvalidArgument.
std::int64_t checked_index(std::string_view operation, std::int64_t at, std::int64_t length);
/// Throws Unsupported unless elements of the dtype have addresses.
void require_plain(std::string_view operation, DType dtype);

/// A slice of an axis after clamping: `count` elements from `start`.
struct SliceBounds {
  std::int64_t start, count, step;
};
SliceBounds clamp_slice(const Slice& slice, std::int64_t length);

}  // namespace sterna
