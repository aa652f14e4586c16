// matmul, dot, outer: what NumPy's rules make of shapes and types, then one product for each pair of
// matrices.
#include <limits>
#include <string>
#include <utility>

#include "sterna/linalg.hpp"
#include "sterna/ops.hpp"
#include "tensor/axis.hpp"
#include "tensor/linalg/arguments.hpp"
#include "tensor/linalg/blas.hpp"
#include "tensor/linalg/integer_product.hpp"
#include "tensor/strided_loop.hpp"

namespace sterna {
namespace {

using linalg::two_tensors;

/// The axes of a stack: all but the last two.
Shape stack_of(const Tensor& a) {
  return Shape(std::span(a.shape().data(), a.rank() - 2));
}

Shape common_stack(const char* operation, const Tensor& a, const Tensor& b) {
  const Shape stacks[] = {stack_of(a), stack_of(b)};
  try {
    return broadcast_shapes(stacks);
  } catch (const Error&) {
    throw two_tensors(operation, "the stacks of matrices do not broadcast together", a, b);
  }
}

/// `a` with its matrices repeated over a stack.
Tensor over_stack(const Tensor& a, const Shape& stack) {
  Shape shape = stack;
  shape.push_back(a.size(-2));
  shape.push_back(a.size(-1));
  return a.broadcast_to(shape);
}

/// one(a, b, c) for each pair of matrices of a stack.
template <class One>
void each_pair(const Shape& stack, const Tensor& a, const Tensor& b, const Tensor& c, One&& one) {
  const Tensor left = over_stack(a, stack);
  const Tensor right = over_stack(b, stack);
  strided_loop<3>(stack, {loop_operand(c), loop_operand(left), loop_operand(right)}, LoopOrder::RowMajor,
                  [&](const auto& at, std::int64_t count, const auto& strides) {
                    for (std::int64_t i = 0; i < count; ++i)
                      one(at[1] + i * strides[1], at[2] + i * strides[2], at[0] + i * strides[0]);
                  });
}

std::optional<linalg::Layout> layout_of(const Tensor& a) {
  const Strides& s = a.strides();
  return linalg::layout_of(a.size(-2), a.size(-1), s[a.rank() - 2], s[a.rank() - 1]);
}

template <class T>
void float_products(const Shape& stack, const Tensor& a, const Tensor& b, const Tensor& c) {
  const auto length = [&](std::int64_t n) {
    if (n > std::numeric_limits<int>::max())
      throw two_tensors("matmul", "an axis is longer than OpenBLAS counts", a, b, ErrorCategory::Limit);
    return static_cast<int>(n);
  };
  const linalg::Lengths lengths{length(c.size(-2)), length(c.size(-1)), length(a.size(-1))};
  const Tensor left = layout_of(a) ? a : a.clone();
  const Tensor right = layout_of(b) ? b : b.clone();
  const linalg::Layout left_layout = layout_of(left).value();
  const linalg::Layout right_layout = layout_of(right).value();
  each_pair(stack, left, right, c, [&](const std::byte* x, const std::byte* y, std::byte* z) {
    linalg::gemm(lengths, reinterpret_cast<const T*>(x), left_layout, reinterpret_cast<const T*>(y),
                 right_layout, reinterpret_cast<T*>(z));
  });
}

void integer_products(const Shape& stack, const Tensor& a, const Tensor& b, const Tensor& c) {
  const Tensor right = b.size(-1) == 1 || b.strides().back() == 1 ? b : b.clone();
  const linalg::IntegerProduct product{c.size(-2),         c.size(-1),
                                       a.size(-1),         a.strides()[a.rank() - 2],
                                       a.strides().back(), right.strides()[right.rank() - 2]};
  const linalg::IntegerMultiply multiply = linalg::integer_multiply(c.dtype());
  each_pair(stack, a, right, c,
            [&](const std::byte* x, const std::byte* y, std::byte* z) { multiply(product, x, y, z); });
}

/// Products of tensors of two axes or more, of one type: F32, F64, integer or Bool.
Tensor products(const Tensor& a, const Tensor& b) {
  const Shape stack = common_stack("matmul", a, b);
  if (b.rank() == 2 && a.rank() > 2 && a.is_contiguous()) {  // a stack times one matrix: one taller matrix
    Shape shape = stack;
    shape.push_back(a.size(-2));
    const Tensor tall = products(a.reshape({element_count(shape), a.size(-1)}), b);
    shape.push_back(b.size(-1));
    return tall.reshape(shape);
  }
  Shape shape = stack;
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-1));
  const bool real = a.dtype() == DType::F32 || a.dtype() == DType::F64;
  const bool vector = a.size(-2) == 1 || b.size(-1) == 1;
  const bool zeros = !real || vector || a.size(-1) == 0;
  Tensor c = zeros ? Tensor::zeros(shape, a.dtype()) : Tensor::empty(shape, a.dtype());
  if (c.size() == 0 || a.size(-1) == 0) return c;
  if (!real) {
    integer_products(stack, a, b, c);
  } else if (a.dtype() == DType::F64) {
    float_products<double>(stack, a, b, c);
  } else {
    float_products<float>(stack, a, b, c);
  }
  return c;
}

/// a(…, m, k)·b(…, k, n) by `products`, with types promoted.
Tensor promoted_products(const Tensor& a, const Tensor& b, DType result) {
  const DType computed = result == DType::F16 || result == DType::BF16 ? DType::F32 : result;
  return products(a.to(computed), b.to(computed)).to(result);
}

DType product_type(const char* operation, const Tensor& a, const Tensor& b) {
  require_plain(operation, a.dtype());
  require_plain(operation, b.dtype());
  return result_type(a.dtype(), b.dtype());
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  const DType result = product_type("matmul", a, b);
  if (a.rank() == 0 || b.rank() == 0) {
    throw two_tensors("matmul", "a scalar is not a matrix", a, b);
  }
  const bool row = a.rank() == 1;
  const bool column = b.rank() == 1;
  const Tensor left = row ? a.expand_dims({0}) : a;
  const Tensor right = column ? b.expand_dims({1}) : b;
  if (left.size(-1) != right.size(-2))
    throw two_tensors("matmul", "columns of the first are not rows of the second", a, b);
  Tensor c = promoted_products(left, right, result);
  if (column) c = c.squeeze({-1});
  if (row) c = c.squeeze({column ? -1 : -2});
  return c;
}

Tensor dot(const Tensor& a, const Tensor& b) {
  const DType result = product_type("dot", a, b);
  if (a.rank() == 0 || b.rank() == 0) return multiply(a, b);
  const std::size_t inner = b.rank() == 1 ? 0 : b.rank() - 2;
  const std::int64_t k = a.size(-1);
  if (k != b.shape()[inner]) throw two_tensors("dot", "the axes to sum over have different lengths", a, b);
  Shape shape(std::span(a.shape().data(), a.rank() - 1));
  const std::int64_t m = element_count(shape);
  Axes order{static_cast<std::int64_t>(inner)};
  std::int64_t n = 1;
  for (std::size_t axis = 0; axis < b.rank(); ++axis) {
    if (axis == inner) continue;
    order.push_back(static_cast<std::int64_t>(axis));
    shape.push_back(b.shape()[axis]);
    n *= b.shape()[axis];
  }
  return promoted_products(a.reshape({m, k}), b.permute(order).reshape({k, n}), result).reshape(shape);
}

Tensor outer(const Tensor& a, const Tensor& b) {
  product_type("outer", a, b);
  return multiply(a.reshape({-1, 1}), b.reshape({1, -1}));
}

}  // namespace sterna
