// Stacks of matrices as LAPACK takes them: each column by column without gaps, one after the other.
#pragma once

#include <cstdint>

#include "sterna/tensor.hpp"

namespace sterna::linalg {

class Columns {
 public:
  /// Uninitialised, of F32 or F64.
  Columns(const Shape& stack, std::int64_t rows, std::int64_t cols, DType dtype)
      : rows_(rows), cols_(cols), tensor_(allocate(stack, rows, cols, dtype)) {}
  /// A copy of the matrices of `a`.
  static Columns copy_of(const Tensor& a, DType dtype) { return copy_of(a, stack_of(a), dtype); }
  /// A copy of the matrices of `a`, repeated over a stack.
  static Columns copy_of(const Tensor& a, const Shape& stack, DType dtype) {
    Columns result(stack, a.size(-2), a.size(-1), dtype);
    result.tensor_.assign(a);
    return result;
  }

  /// The axes of a tensor before the last two.
  static Shape stack_of(const Tensor& a) { return Shape(std::span(a.shape().data(), a.rank() - 2)); }

  int rows() const noexcept { return static_cast<int>(rows_); }
  int cols() const noexcept { return static_cast<int>(cols_); }
  /// The matrices as a tensor (…, rows, cols), not contiguous.
  const Tensor& tensor() const noexcept { return tensor_; }
  /// Matrix `place` of the stack; null when it has no elements.
  template <class T>
  T* at(std::int64_t place) const {
    return tensor_.size() == 0 ? nullptr : tensor_.mutable_data<T>() + place * rows_ * cols_;
  }
  /// A contiguous tensor of the elements.
  Tensor to(DType dtype) const { return tensor_.to(dtype).contiguous(); }

 private:
  static Tensor allocate(const Shape& stack, std::int64_t rows, std::int64_t cols, DType dtype) {
    Shape shape = stack;
    shape.push_back(cols);
    shape.push_back(rows);
    return Tensor::empty(shape, dtype).transpose(-1, -2);
  }

  std::int64_t rows_;
  std::int64_t cols_;
  Tensor tensor_;
};

/// Number of matrices in a stack.
inline std::int64_t count_of(const Shape& stack) {
  return element_count(stack);
}

/// A contiguous tensor of shape stack + (length,): what a factorization gives beside its matrices.
inline Tensor rows_over(const Shape& stack, std::int64_t length, DType dtype) {
  Shape shape = stack;
  shape.push_back(length);
  return Tensor::empty(shape, dtype);
}

}  // namespace sterna::linalg
