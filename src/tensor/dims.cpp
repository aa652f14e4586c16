#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checked.hpp"
#include "sterna/error.hpp"
#include "sterna/tensor.hpp"

namespace sterna {

Dims::Dims(std::span<const std::int64_t> values) : size_(values.size()) {
  if (size_ > kInline) {
    heap_ = std::make_unique<std::int64_t[]>(size_);
    capacity_ = size_;
  }
  std::ranges::copy(values, data());
}

Dims Dims::filled(std::size_t count, std::int64_t value) {
  Dims dims;
  if (count > kInline) {
    dims.heap_ = std::make_unique<std::int64_t[]>(count);
    dims.capacity_ = count;
  }
  dims.size_ = count;
  std::ranges::fill(dims, value);
  return dims;
}

void Dims::insert(std::size_t at, std::int64_t value) {
  if (size_ == capacity_) {
    auto larger = std::make_unique<std::int64_t[]>(2 * capacity_);
    std::ranges::copy(*this, larger.get());
    heap_ = std::move(larger);
    capacity_ *= 2;
  }
  std::move_backward(begin() + at, end(), end() + 1);
  data()[at] = value;
  ++size_;
}

void Dims::erase(std::size_t at) noexcept {
  std::move(begin() + at + 1, end(), begin() + at);
  --size_;
}

void Dims::swap(Dims& other) noexcept {
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  std::swap(inline_, other.inline_);
  heap_.swap(other.heap_);
}

std::string to_string(const Dims& dims) {
  if (dims.size() == 1) return fmt::format("({},)", dims[0]);
  return fmt::format("({})", fmt::join(dims, ", "));
}

Strides contiguous_strides(const Shape& shape) {
  Strides strides = Strides::filled(shape.size(), 1);
  for (std::size_t k = shape.size(); k-- > 1;)
    strides[k - 1] = strides[k] * std::max<std::int64_t>(shape[k], 1);
  return strides;
}

std::int64_t element_count(const Shape& shape) {
  // Strides count axes of length 0 as 1, so the product without them must fit as well.
  std::optional<std::int64_t> product = 1;
  bool none = false;
  for (const std::int64_t length : shape) {
    if (length < 0) {
      throw Error(ErrorCategory::InvalidArgument, "a length is negative", {{"shape", to_string(shape)}});
    }
    none = none || length == 0;
    if (product && length > 0) product = checked_mul(*product, length);
  }
  if (!product) throw Error(ErrorCategory::Limit, "too many elements", {{"shape", to_string(shape)}});
  return none ? 0 : *product;
}

Shape broadcast_shapes(std::span<const Shape> shapes) {
  Shape result;
  for (const Shape& shape : shapes) {
    while (result.size() < shape.size()) result.insert(0, 1);
    const std::size_t missing = result.size() - shape.size();
    for (std::size_t k = 0; k < shape.size(); ++k) {
      std::int64_t& length = result[missing + k];
      if (length == shape[k] || shape[k] == 1) continue;
      if (length != 1) {
        std::string all;
        for (const Shape& each : shapes) all += (all.empty() ? "" : " ") + to_string(each);
        throw Error(ErrorCategory::Mismatch, "shapes do not broadcast together", {{"shapes", all}});
      }
      length = shape[k];
    }
  }
  return result;
}

}  // namespace sterna
