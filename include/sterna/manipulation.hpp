// Functions that pick elements of tensors; each does what NumPy's of the same name does.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sterna/tensor.hpp"

namespace sterna {

/// An axis, or nothing for the elements in row-major order as one axis.
using MaybeAxis = std::optional<std::int64_t>;

// All take plain dtypes; results are new contiguous tensors unless "view" is said. Index tensors are of an
// integer dtype, negative indices count from the end, and one outside is InvalidArgument. Errors name
// operation, shapes, dtypes.

// --- picking

/// Elements `indices` of an axis: shape[:axis] + indices.shape + shape[axis+1:].
Tensor take(const Tensor& tensor, const Tensor& indices, MaybeAxis axis = {});
/// result[i, j, k] = tensor[i, indices[i, j, k], k] for axis 1: numpy.take_along_axis. The other axes
/// broadcast.
Tensor gather(const Tensor& tensor, std::int64_t axis, const Tensor& indices);
/// tensor[i, indices[i, j, k], k] = values[i, j, k] for axis 1: numpy.put_along_axis. values broadcasts to
/// the shape of the indices; where one place is named twice, the last value stays.
void scatter_(const Tensor& tensor, std::int64_t axis, const Tensor& indices, const Tensor& values);
/// Element indices[j] in row-major order becomes values[j mod n].
void put_(const Tensor& tensor, const Tensor& indices, const Tensor& values);
/// The indices of the elements that are not 0, in row-major order: one I64 tensor of shape (n,) for each
/// axis.
std::vector<Tensor> nonzero(const Tensor& tensor);

}  // namespace sterna
