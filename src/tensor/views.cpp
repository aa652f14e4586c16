// Views: new shapes, strides and offsets on the same storage.
#include <utility>

#include "base/checked.hpp"
#include "tensor/axis.hpp"

namespace sterna {
namespace {

/// Strides that show elements laid out as (`from`, `strides`) in the shape `to`, of as many elements (at
/// least one). Nothing when no strides do. Both shapes are cut into the shortest groups of axes with equal
/// products; within a group the old axes must be one run.
std::optional<Strides> reshaped_strides(const Shape& from, const Strides& strides, const Shape& to) {
  Shape lengths;  // without axes of length 1, whose strides say nothing
  Strides steps;
  for (std::size_t k = 0; k < from.size(); ++k) {
    if (from[k] == 1) continue;
    lengths.push_back(from[k]);
    steps.push_back(strides[k]);
  }
  Strides result = Strides::filled(to.size(), 1);
  std::size_t old_begin = 0;
  std::size_t new_begin = 0;
  while (old_begin < lengths.size() && new_begin < to.size()) {
    std::size_t old_end = old_begin + 1;
    std::size_t new_end = new_begin + 1;
    std::int64_t old_product = lengths[old_begin];
    std::int64_t new_product = to[new_begin];
    while (old_product != new_product) {
      if (new_product < old_product) {
        new_product *= to[new_end++];
      } else {
        old_product *= lengths[old_end++];
      }
    }
    for (std::size_t k = old_begin; k + 1 < old_end; ++k) {
      if (steps[k] != steps[k + 1] * lengths[k + 1]) return std::nullopt;
    }
    std::int64_t step = steps[old_end - 1];
    for (std::size_t k = new_end; k-- > new_begin;) {
      result[k] = step;
      step *= to[k];
    }
    old_begin = old_end;
    new_begin = new_end;
  }
  return result;  // what is left of `to` has length 1
}

/// `shape` with its −1 filled in for `size` elements.
Shape resolved_shape(const Tensor& tensor, const Shape& shape) {
  const auto refuse = [&](std::string_view message) {
    throw tensor_error(ErrorCategory::Mismatch, "reshape", message, tensor, {{"asked", to_string(shape)}});
  };
  Shape result = shape;
  std::int64_t* unknown = nullptr;
  for (std::int64_t& length : result) {
    if (length != -1) continue;
    if (unknown) refuse("more than one length is −1");
    unknown = &length;
    length = 1;
  }
  const std::int64_t known = element_count(result);
  if (unknown) {
    if (known == 0 || tensor.size() % known != 0) refuse("no length in place of −1 gives as many elements");
    *unknown = tensor.size() / known;
  } else if (known != tensor.size()) {
    refuse("the shapes do not have as many elements");
  }
  return result;
}

}  // namespace

Tensor Tensor::viewed(const char* operation, Shape shape, Strides strides, std::int64_t offset) const {
  Tensor view;
  view.storage_ = storage_;
  view.shape_ = std::move(shape);
  view.strides_ = std::move(strides);
  view.offset_ = offset;
  view.size_ = element_count(view.shape_);
  view.dtype_ = dtype_;
  const DTypeInfo& row = info(dtype_);
  if (row.is_plain() || view.size_ == 0) return view;
  // Whole blocks, at the end perhaps a part: only so the elements have bytes of their own.
  const bool whole = view.size_ == size_ && offset == offset_;
  const bool at_end = (offset - offset_) + view.size_ == size_ && row.kind == DTypeKind::Packed;
  const bool blocks = row.row_bytes_extra + row.tensor_bytes_extra == 0 && offset % row.block_elements == 0 &&
                      (view.size_ % row.block_elements == 0 || at_end);
  const auto bytes = tensor_bytes(dtype_, view.shape_);
  if (!view.is_contiguous() || !bytes || (whole ? *bytes != this->bytes() : !blocks)) {
    throw tensor_error(ErrorCategory::Unsupported, operation,
                       "the view would not be whole blocks of its dtype", *this,
                       {{"asked", to_string(view.shape_)}});
  }
  return view;
}

Tensor Tensor::slice(std::int64_t axis_argument, Slice slice) const {
  const std::size_t axis = checked_axis("slice", axis_argument, rank());
  const SliceBounds bounds = clamp_slice(slice, shape_[axis]);
  Shape shape = shape_;
  Strides strides = strides_;
  shape[axis] = bounds.count;
  // The stride of one element at most is never used, and the product may be any size then.
  if (bounds.count > 1) strides[axis] *= bounds.step;
  return viewed("slice", std::move(shape), std::move(strides),
                bounds.count == 0 ? offset_ : offset_ + bounds.start * strides_[axis]);
}

Tensor Tensor::select(std::int64_t axis_argument, std::int64_t at) const {
  const std::size_t axis = checked_axis("select", axis_argument, rank());
  const std::int64_t place = checked_index("select", at, shape_[axis]);
  Shape shape = shape_;
  Strides strides = strides_;
  shape.erase(axis);
  strides.erase(axis);
  return viewed("select", std::move(shape), std::move(strides), offset_ + place * strides_[axis]);
}

Tensor Tensor::view(const Shape& asked) const {
  Shape shape = resolved_shape(*this, asked);
  auto strides = size_ == 0 ? contiguous_strides(shape) : reshaped_strides(shape_, strides_, shape);
  if (!strides) {
    throw tensor_error(ErrorCategory::InvalidArgument, "view", "no strides show the elements in that shape",
                       *this, {{"strides", to_string(strides_)}, {"asked", to_string(asked)}});
  }
  return viewed("reshape", std::move(shape), std::move(*strides), offset_);
}

Tensor Tensor::reshape(const Shape& asked) const {
  Shape shape = resolved_shape(*this, asked);
  auto strides = size_ == 0 ? contiguous_strides(shape) : reshaped_strides(shape_, strides_, shape);
  if (!strides) return clone().view(shape);
  return viewed("reshape", std::move(shape), std::move(*strides), offset_);
}

Tensor Tensor::permute(const Axes& axes) const {
  checked_axes("permute", axes, rank());
  if (axes.size() != rank()) {
    throw tensor_error(ErrorCategory::InvalidArgument, "permute", "every axis must be named", *this,
                       {{"axes", to_string(axes)}});
  }
  Shape shape;
  Strides strides;
  for (const std::int64_t each : axes) {
    const std::size_t axis = checked_axis("permute", each, rank());
    shape.push_back(shape_[axis]);
    strides.push_back(strides_[axis]);
  }
  return viewed("permute", std::move(shape), std::move(strides), offset_);
}

Tensor Tensor::transpose() const {
  Axes axes;
  for (std::size_t k = rank(); k-- > 0;) axes.push_back(static_cast<std::int64_t>(k));
  return permute(axes);
}

Tensor Tensor::transpose(std::int64_t a, std::int64_t b) const {
  Shape shape = shape_;
  Strides strides = strides_;
  const std::size_t first = checked_axis("transpose", a, rank());
  const std::size_t second = checked_axis("transpose", b, rank());
  std::swap(shape[first], shape[second]);
  std::swap(strides[first], strides[second]);
  return viewed("transpose", std::move(shape), std::move(strides), offset_);
}

Tensor Tensor::broadcast_to(const Shape& shape) const {
  Strides strides = Strides::filled(shape.size(), 0);
  const bool fits = shape.size() >= rank();
  const std::size_t added = fits ? shape.size() - rank() : 0;
  for (std::size_t k = 0; fits && k < rank(); ++k) {
    if (shape[added + k] == shape_[k]) {
      strides[added + k] = strides_[k];
    } else if (shape_[k] != 1) {
      strides = {};
      break;
    }
  }
  if (!fits || strides.size() != shape.size()) {
    throw tensor_error(ErrorCategory::Mismatch, "broadcast_to", "the shape does not broadcast", *this,
                       {{"asked", to_string(shape)}});
  }
  return viewed("broadcast_to", shape, std::move(strides), offset_);
}

Tensor Tensor::squeeze() const {
  Axes axes;
  for (std::size_t k = 0; k < rank(); ++k) {
    if (shape_[k] == 1) axes.push_back(static_cast<std::int64_t>(k));
  }
  return squeeze(axes);
}

Tensor Tensor::squeeze(const Axes& axes) const {
  const std::vector<bool> dropped = checked_axes("squeeze", axes, rank());
  Shape shape;
  Strides strides;
  for (std::size_t k = 0; k < rank(); ++k) {
    if (!dropped[k]) {
      shape.push_back(shape_[k]);
      strides.push_back(strides_[k]);
    } else if (shape_[k] != 1) {
      throw tensor_error(ErrorCategory::InvalidArgument, "squeeze", "the length of an axis is not 1", *this,
                         {{"axes", to_string(axes)}});
    }
  }
  return viewed("squeeze", std::move(shape), std::move(strides), offset_);
}

Tensor Tensor::expand_dims(const Axes& axes) const {
  const std::size_t result_rank = rank() + axes.size();
  const std::vector<bool> added = checked_axes("expand_dims", axes, result_rank);
  Shape shape = shape_;
  Strides strides = strides_;
  for (std::size_t k = 0; k < result_rank; ++k) {
    if (!added[k]) continue;
    shape.insert(k, 1);
    strides.insert(k, 1);
  }
  return viewed("expand_dims", std::move(shape), std::move(strides), offset_);
}

}  // namespace sterna
