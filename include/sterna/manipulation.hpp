// Functions that pick, join, repeat, order and count elements of tensors; each does what NumPy's of the same
// name does.
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

// --- joining and splitting

/// Tensors after each other along an axis; the other lengths are equal. Dtypes are promoted.
Tensor concat(std::span<const Tensor> tensors, MaybeAxis axis = 0);
/// Tensors of one shape along a new axis.
Tensor stack(std::span<const Tensor> tensors, std::int64_t axis = 0);
/// `sections` views of equal length. Throws when the axis does not divide.
std::vector<Tensor> split(const Tensor& tensor, std::int64_t sections, std::int64_t axis = 0);
/// Views [0, at[0]), [at[0], at[1]), … [at.back(), end), clamped as slices are.
std::vector<Tensor> split_at(const Tensor& tensor, const Dims& at, std::int64_t axis = 0);

// --- rearranging

/// Every element `count` times, side by side.
Tensor repeat(const Tensor& tensor, std::int64_t count, MaybeAxis axis = {});
/// Element i of the axis counts[i] times.
Tensor repeat(const Tensor& tensor, const Tensor& counts, MaybeAxis axis = {});
/// The whole tensor repeats[k] times along axis k; the shorter of shape and repeats is filled with 1 in
/// front.
Tensor tile(const Tensor& tensor, const Dims& repeats);
/// A view with these axes reversed, all by default.
Tensor flip(const Tensor& tensor, const std::optional<Axes>& axes = {});
/// Element i moves to (i + shift) mod length.
Tensor roll(const Tensor& tensor, std::int64_t shift, MaybeAxis axis = {});

enum class PadMode {
  Constant,  ///< 0 0 | a b c | 0 0
  Edge,      ///< a a | a b c | c c
  Reflect,   ///< c b | a b c | b a
  Wrap,      ///< b c | a b c | a b
};
struct PadWidth {
  std::int64_t before = 0;
  std::int64_t after = 0;
};
/// With widths[k] elements before and after axis k. Only Constant can pad an axis of length 0.
Tensor pad(const Tensor& tensor, std::span<const PadWidth> widths, PadMode mode = PadMode::Constant,
           Scalar value = 0);

// --- ordering

// Ascending, NaN after everything else, −0 equal to 0; equal elements keep their order.

Tensor sort(const Tensor& tensor, MaybeAxis axis = -1);
/// I64: gather(tensor, axis, argsort(tensor, axis)) is sorted.
Tensor argsort(const Tensor& tensor, MaybeAxis axis = -1);

struct TopK {
  Tensor values;
  Tensor indices;  ///< I64
};
/// The `count` first elements of an axis in descending order (`largest`; NaN is the largest of all) or
/// ascending order. Of equal ones the first in the tensor comes first.
TopK topk(const Tensor& tensor, std::int64_t count, std::int64_t axis = -1, bool largest = true);

struct Unique {
  Tensor values;   ///< ascending; all NaN are one
  Tensor index;    ///< I64: where each value stands first
  Tensor inverse;  ///< I64, the tensor's shape: which value each element is
  Tensor counts;   ///< I64
};
/// Of the elements in row-major order.
Unique unique(const Tensor& tensor);

/// For every value the first index i with sorted[i] ≥ value (`right`: > value), or the length. sorted: one
/// axis, ascending. Dtypes are promoted. I64, of the shape of `values`.
Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right = false);

/// result[i] = Σ tensor[0 … i]. By default integers narrower than 64 bits and Bool sum in I64 or U64, floats
/// in their own type, rounded to it at every step.
Tensor cumsum(const Tensor& tensor, MaybeAxis axis = {}, std::optional<DType> dtype = {});

}  // namespace sterna
