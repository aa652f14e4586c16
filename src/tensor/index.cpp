// a[indices]: NumPy's basic and advanced indexing, read and written.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "sterna/manipulation.hpp"
#include "tensor/axis.hpp"
#include "tensor/strided_loop.hpp"
#include "tensor/visit_dtype.hpp"

namespace sterna {
namespace {

/// An index list, applied as far as views go. What index tensors pick is left: element j (row-major) of their
/// common shape picks one place on each of `axes`.
struct Selection {
  Tensor view;
  bool advanced = false;
  std::vector<std::size_t> axes;  // of the view, ascending
  std::vector<Tensor> indices;    // I64, broadcast to `picked`; one for each of `axes`
  Shape picked;                   // the shape that stands for those axes
  std::size_t place = 0;          // and where it stands among the view's other axes
};

bool is_integer_scalar(const Tensor& tensor) {
  return tensor.rank() == 0 && info(tensor.dtype()).kind == DTypeKind::Integer &&
         tensor.dtype() != DType::Bool;
}

/// Axes that an entry takes from the indexed tensor; an ellipsis counts as none.
std::size_t axes_taken(const Index& entry) {
  if (const auto* tensor = std::get_if<Tensor>(&entry.value()))
    return tensor->dtype() == DType::Bool ? tensor->rank() : 1;
  return std::holds_alternative<std::int64_t>(entry.value()) || std::holds_alternative<Slice>(entry.value());
}

/// Index tensors as I64, every index within an axis of `length`, none negative.
Tensor checked_indices(const Tensor& tensor, std::int64_t length) {
  if (info(tensor.dtype()).kind != DTypeKind::Integer) refuse_dtype("index", tensor.dtype());
  Tensor indices = Tensor::empty(tensor.shape(), DType::I64);
  indices.assign(tensor);
  if (indices.size() == 0) return indices;
  std::int64_t* at = indices.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < indices.size(); ++i) {
    if (tensor.dtype() == DType::U64 && at[i] < 0) checked_index("index", length, length);  // beyond int64
    at[i] = checked_index("index", at[i], length);
  }
  return indices;
}

Selection select(const Tensor& tensor, const Indices& entries) {
  const auto refuse = [&](std::string_view message) {
    throw tensor_error(ErrorCategory::InvalidArgument, "index", message, tensor,
                       {{"entries", std::to_string(entries.size())}});
  };
  Selection s;
  std::size_t taken = 0;
  std::size_t ellipses = 0;
  for (const Index& entry : entries) {
    taken += axes_taken(entry);
    ellipses += std::holds_alternative<Ellipsis>(entry.value());
    const auto* indices = std::get_if<Tensor>(&entry.value());
    s.advanced = s.advanced || (indices && !is_integer_scalar(*indices));
  }
  if (ellipses > 1) refuse("more than one ellipsis");
  if (taken > tensor.rank()) refuse("more indices than axes");

  s.view = tensor;
  std::size_t axis = 0;
  std::vector<Shape> shapes;
  enum { Before, Within, After, Apart } side_by_side = Before;
  const auto pick = [&] {  // an entry that index tensors belong to
    if (side_by_side == Before) {
      s.place = axis;
      side_by_side = Within;
    } else if (side_by_side == After) {
      s.place = 0;
      side_by_side = Apart;
    }
  };
  const auto pick_on_axis = [&](const Tensor& indices) {
    s.axes.push_back(axis++);
    s.indices.push_back(indices);
    shapes.push_back(indices.shape());
  };
  for (const Index& entry : entries) {
    const auto* at = std::get_if<std::int64_t>(&entry.value());
    const auto* indices = std::get_if<Tensor>(&entry.value());
    if (at || (indices && is_integer_scalar(*indices))) {
      const Tensor one = at ? Tensor::scalar(*at) : *indices;
      if (s.advanced) {
        pick();
        pick_on_axis(checked_indices(one, s.view.shape()[axis]));
      } else {
        const Tensor checked = checked_indices(one, s.view.shape()[axis]);
        s.view = s.view.select(static_cast<std::int64_t>(axis), checked.item<std::int64_t>());
      }
      continue;
    }
    if (indices) {
      pick();
      if (indices->dtype() != DType::Bool) {
        pick_on_axis(checked_indices(*indices, s.view.shape()[axis]));
        continue;
      }
      for (std::size_t k = 0; k < indices->rank(); ++k) {
        if (indices->shape()[k] != s.view.shape()[axis + k]) {
          throw tensor_error(ErrorCategory::Mismatch, "index",
                             "a mask has another shape than the axes it stands for", tensor,
                             {{"mask", to_string(indices->shape())}});
        }
      }
      if (indices->rank() == 0) {  // picks all there is once, or not at all
        shapes.push_back({indices->item<bool>() ? 1 : 0});
      } else {
        for (const Tensor& each : nonzero(*indices)) pick_on_axis(each);
      }
      continue;
    }
    if (side_by_side == Within) side_by_side = After;
    if (const auto* slice = std::get_if<Slice>(&entry.value())) {
      s.view = s.view.slice(static_cast<std::int64_t>(axis++), *slice);
    } else if (std::holds_alternative<Ellipsis>(entry.value())) {
      axis += tensor.rank() - taken;
    } else {
      s.view = s.view.expand_dims({static_cast<std::int64_t>(axis++)});
    }
  }
  if (s.advanced) {
    s.picked = broadcast_shapes(shapes);
    for (Tensor& each : s.indices) each = each.broadcast_to(s.picked).contiguous();
  }
  return s;
}

/// Copies between what a selection picks and `dense`, a contiguous tensor of its shape and dtype.
enum class Direction { Read, Write };
void exchange(const Selection& s, const Tensor& dense, Direction direction) {
  if (dense.size() == 0) return;
  const auto width = static_cast<std::int64_t>(info(dense.dtype()).block_bytes);
  const std::int64_t picked = element_count(s.picked);
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(picked),
                                    0);  // of each pick in the view, in bytes
  for (std::size_t k = 0; k < s.axes.size(); ++k) {
    const std::int64_t* at = s.indices[k].data<std::int64_t>();
    const std::int64_t stride = s.view.strides()[s.axes[k]] * width;
    for (std::size_t j = 0; j < offsets.size(); ++j) offsets[j] += at[j] * stride;
  }
  Shape rest;  // the other axes, with their strides on both sides
  Strides view_strides;
  Strides dense_strides;
  for (std::size_t axis = 0; axis < s.view.rank(); ++axis) {
    if (std::ranges::find(s.axes, axis) != s.axes.end()) continue;
    const std::size_t at = rest.size() < s.place ? rest.size() : rest.size() + s.picked.size();
    dense_strides.push_back(dense.strides()[at]);
    rest.push_back(s.view.shape()[axis]);
    view_strides.push_back(s.view.strides()[axis]);
  }
  std::int64_t dense_step =
      width;  // from one pick to the next: the picked axes are a run in the dense tensor
  for (std::size_t k = s.place; k < rest.size(); ++k) dense_step *= rest[k];

  std::byte* view =
      direction == Direction::Write ? s.view.mutable_raw() : const_cast<std::byte*>(s.view.raw());
  std::array<LoopOperand, 2> operands{
      {{dense.mutable_raw(), dense_strides, width}, {view, view_strides, width}}};
  const LoopAxes axes = coalesce(rest, operands, LoopOrder::Any);
  const std::array<std::byte*, 2> base{operands[0].data, operands[1].data};
  visit_width(dense.dtype(), "index", [&]<class U>(std::type_identity<U>) {
    const auto move = [&](std::byte* in_dense, std::byte* in_view) {
      auto* d = reinterpret_cast<U*>(in_dense);
      auto* v = reinterpret_cast<U*>(in_view);
      if (direction == Direction::Read) {
        *d = *v;
      } else {
        *v = *d;
      }
    };
    if (axes.lengths.back() >= 8) {  // runs long enough to be the inner loop
      for (std::int64_t j = 0; j < picked; ++j) {
        run_loop<2>(axes, {base[0] + j * dense_step, base[1] + offsets[static_cast<std::size_t>(j)]},
                    [&](const auto& at, std::int64_t count, const auto& strides) {
                      for (std::int64_t i = 0; i < count; ++i)
                        move(at[0] + i * strides[0], at[1] + i * strides[1]);
                    });
      }
      return;
    }
    run_loop<2>(axes, base, [&](const auto& at, std::int64_t count, const auto& strides) {
      for (std::int64_t i = 0; i < count; ++i) {
        for (std::int64_t j = 0; j < picked; ++j) {
          move(at[0] + i * strides[0] + j * dense_step,
               at[1] + i * strides[1] + offsets[static_cast<std::size_t>(j)]);
        }
      }
    });
  });
}

Shape shape_of(const Selection& s) {
  Shape shape;
  for (std::size_t axis = 0; axis < s.view.rank(); ++axis) {
    if (std::ranges::find(s.axes, axis) == s.axes.end()) shape.push_back(s.view.shape()[axis]);
  }
  for (std::size_t k = 0; k < s.picked.size(); ++k) shape.insert(s.place + k, s.picked[k]);
  return shape;
}

}  // namespace

Tensor Tensor::index(const Indices& indices) const {
  const Selection s = sterna::select(*this, indices);
  if (!s.advanced) return s.view;
  require_plain("index", dtype_);
  Tensor result = empty(shape_of(s), dtype_);
  exchange(s, result, Direction::Read);
  return result;
}

void Tensor::assign(const Indices& indices, const Tensor& value) const {
  const Selection s = sterna::select(*this, indices);
  if (!s.advanced) {
    s.view.assign(value);
    return;
  }
  s.view.require_distinct("assign");
  Tensor dense =
      empty(shape_of(s), dtype_);  // a copy first, so that value and index tensors may overlap with this
  dense.assign(value);
  exchange(s, dense, Direction::Write);
}

void Tensor::assign(const Indices& indices, Scalar value) const {
  Tensor one = empty({}, dtype_);
  one.fill(value);
  assign(indices, one);
}

}  // namespace sterna
