// Functions that read and write elements named by index tensors.
#include <utility>

#include "sterna/manipulation.hpp"
#include "tensor/axis.hpp"
#include "tensor/visit_dtype.hpp"

namespace sterna {
namespace {

/// The index list of gather and scatter: `indices` on its axis, and on every other axis each place itself.
Indices along_axis(const char* operation, const Tensor& tensor, std::int64_t axis_argument,
                   const Tensor& indices) {
  const std::size_t axis = checked_axis(operation, axis_argument, tensor.rank());
  if (indices.rank() != tensor.rank()) {
    throw tensor_error(ErrorCategory::Mismatch, operation, "the indices have another rank than the tensor",
                       tensor, {{"indices", to_string(indices.shape())}});
  }
  if (info(indices.dtype()).kind != DTypeKind::Integer || indices.dtype() == DType::Bool)
    refuse_dtype(operation, indices.dtype());
  Indices list;
  for (std::size_t k = 0; k < tensor.rank(); ++k) {
    if (k == axis) {
      // Rank 1 at least, so that it is an index tensor and not an integer.
      list.emplace_back(indices);
      continue;
    }
    Shape shape = Shape::filled(tensor.rank(), 1);
    shape[k] = tensor.shape()[k];
    list.emplace_back(Tensor::arange(tensor.shape()[k]).reshape(shape));
  }
  return list;
}

}  // namespace

Tensor take(const Tensor& tensor, const Tensor& indices, MaybeAxis axis_argument) {
  if (indices.dtype() == DType::Bool) refuse_dtype("take", indices.dtype());
  if (!axis_argument) return take(tensor.reshape({-1}), indices, 0);
  const std::size_t axis = checked_axis("take", *axis_argument, tensor.rank());
  Indices list(axis, Index(Slice{}));
  list.emplace_back(indices);
  const Tensor result = tensor.index(list);
  return result.shares_storage_with(tensor) ? result.clone() : result;
}

Tensor gather(const Tensor& tensor, std::int64_t axis, const Tensor& indices) {
  return tensor.index(along_axis("gather", tensor, axis, indices));
}

void scatter_(const Tensor& tensor, std::int64_t axis, const Tensor& indices, const Tensor& values) {
  tensor.assign(along_axis("scatter", tensor, axis, indices), values);
}

void put_(const Tensor& tensor, const Tensor& indices, const Tensor& values) {
  if (info(indices.dtype()).kind != DTypeKind::Integer || indices.dtype() == DType::Bool)
    refuse_dtype("put", indices.dtype());
  if (values.size() == 0 || indices.size() == 0) return;
  const Tensor target = tensor.rank() == 0 ? tensor.reshape({1}) : tensor;
  // Rows of places: one I64 tensor for each axis, the last axis from the remainder of the division by its
  // length.
  Tensor flat = Tensor::empty({indices.size()}, DType::I64);
  flat.assign(indices.reshape({-1}));
  std::int64_t* at = flat.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < flat.size(); ++i) {
    if (indices.dtype() == DType::U64 && at[i] < 0) checked_index("put", target.size(), target.size());
    at[i] = checked_index("put", at[i], target.size());
  }
  Indices list;
  for (std::size_t k = target.rank(); k-- > 0;) {
    Tensor places = Tensor::empty(flat.shape(), DType::I64);
    std::int64_t* place = places.mutable_data<std::int64_t>();
    for (std::int64_t i = 0; i < flat.size(); ++i) {
      place[i] = at[i] % target.shape()[k];
      at[i] /= target.shape()[k];
    }
    list.insert(list.begin(), Index(std::move(places)));
  }
  Tensor cycled = values.reshape({-1});
  if (cycled.size() != indices.size()) {
    Tensor which = Tensor::arange(indices.size());
    std::int64_t* j = which.mutable_data<std::int64_t>();
    for (std::int64_t i = 0; i < which.size(); ++i) j[i] %= cycled.size();
    cycled = take(cycled, which, 0);
  }
  target.assign(list, cycled);
}

std::vector<Tensor> nonzero(const Tensor& tensor) {
  if (tensor.rank() == 0)
    throw tensor_error(ErrorCategory::InvalidArgument, "nonzero", "a scalar has no indices", tensor);
  const Tensor mask = tensor.to(DType::Bool).contiguous();
  const bool* set = mask.data<bool>();
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < mask.size(); ++i) count += set[i];
  std::vector<Tensor> result;
  std::vector<std::int64_t*> out;
  for (std::size_t k = 0; k < tensor.rank(); ++k) {
    result.push_back(Tensor::empty({count}, DType::I64));
    out.push_back(result.back().mutable_data<std::int64_t>());
  }
  std::int64_t found = 0;
  for (std::int64_t i = 0; i < mask.size(); ++i) {
    if (!set[i]) continue;
    std::int64_t rest = i;
    for (std::size_t k = tensor.rank(); k-- > 0;) {
      out[k][found] = rest % tensor.shape()[k];
      rest /= tensor.shape()[k];
    }
    ++found;
  }
  return result;
}

}  // namespace sterna
