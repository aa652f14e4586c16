// The public element-wise functions: each is a row of the table.
#include "tensor/ops/apply.hpp"
#include "tensor/ops/promote.hpp"

namespace sterna {

using ops::apply;
using ops::apply_in_place;
using ops::op_row;

DType result_type(DType a, DType b) {
  if (ops::is_plain(a) && ops::is_plain(b)) return ops::common_type(a, b);
  throw Error(ErrorCategory::Unsupported, "elements of this type must be unpacked first",
              {{"dtypes", std::string(name(a)) + ", " + std::string(name(b))}});
}

// The row is looked up once.
#define STERNA_ROW(function) static const ops::OpRow& row = op_row(#function)

#define STERNA_UNARY(function)        \
  Tensor function(const Operand& x) { \
    STERNA_ROW(function);             \
    return apply(row, {&x});          \
  }
#define STERNA_UNARY_IN_PLACE(function)        \
  STERNA_UNARY(function)                       \
  Tensor function##_(const Tensor& x) {        \
    STERNA_ROW(function);                      \
    const Operand operand(x);                  \
    return apply_in_place(row, x, {&operand}); \
  }
#define STERNA_BINARY(function)                         \
  Tensor function(const Operand& a, const Operand& b) { \
    STERNA_ROW(function);                               \
    return apply(row, {&a, &b});                        \
  }
#define STERNA_BINARY_IN_PLACE(function)                  \
  STERNA_BINARY(function)                                 \
  Tensor function##_(const Tensor& a, const Operand& b) { \
    STERNA_ROW(function);                                 \
    const Operand first(a);                               \
    return apply_in_place(row, a, {&first, &b});          \
  }

STERNA_BINARY_IN_PLACE(add)
STERNA_BINARY_IN_PLACE(subtract)
STERNA_BINARY_IN_PLACE(multiply)
STERNA_BINARY_IN_PLACE(divide)
STERNA_BINARY_IN_PLACE(floor_divide)
STERNA_BINARY_IN_PLACE(remainder)
STERNA_BINARY_IN_PLACE(fmod)
STERNA_BINARY_IN_PLACE(power)
STERNA_BINARY_IN_PLACE(maximum)
STERNA_BINARY_IN_PLACE(minimum)
STERNA_BINARY_IN_PLACE(fmax)
STERNA_BINARY_IN_PLACE(fmin)
STERNA_BINARY_IN_PLACE(copysign)
STERNA_BINARY_IN_PLACE(arctan2)
STERNA_BINARY_IN_PLACE(hypot)
STERNA_BINARY_IN_PLACE(logaddexp)

STERNA_UNARY(positive)
STERNA_UNARY_IN_PLACE(negative)
STERNA_UNARY_IN_PLACE(absolute)
STERNA_UNARY_IN_PLACE(sign)
STERNA_UNARY_IN_PLACE(square)
STERNA_UNARY_IN_PLACE(reciprocal)
STERNA_UNARY_IN_PLACE(sqrt)
STERNA_UNARY_IN_PLACE(floor)
STERNA_UNARY_IN_PLACE(ceil)
STERNA_UNARY_IN_PLACE(trunc)
STERNA_UNARY_IN_PLACE(rint)
STERNA_UNARY_IN_PLACE(exp)
STERNA_UNARY_IN_PLACE(log)
STERNA_UNARY_IN_PLACE(sin)
STERNA_UNARY_IN_PLACE(cos)
STERNA_UNARY_IN_PLACE(tanh)
STERNA_UNARY_IN_PLACE(cbrt)
STERNA_UNARY_IN_PLACE(exp2)
STERNA_UNARY_IN_PLACE(expm1)
STERNA_UNARY_IN_PLACE(log2)
STERNA_UNARY_IN_PLACE(log10)
STERNA_UNARY_IN_PLACE(log1p)
STERNA_UNARY_IN_PLACE(tan)
STERNA_UNARY_IN_PLACE(arcsin)
STERNA_UNARY_IN_PLACE(arccos)
STERNA_UNARY_IN_PLACE(arctan)
STERNA_UNARY_IN_PLACE(sinh)
STERNA_UNARY_IN_PLACE(cosh)
STERNA_UNARY_IN_PLACE(arcsinh)
STERNA_UNARY_IN_PLACE(arccosh)
STERNA_UNARY_IN_PLACE(arctanh)
STERNA_UNARY_IN_PLACE(erf)

STERNA_BINARY(equal)
STERNA_BINARY(not_equal)
STERNA_BINARY(less)
STERNA_BINARY(less_equal)
STERNA_BINARY(greater)
STERNA_BINARY(greater_equal)
STERNA_BINARY_IN_PLACE(logical_and)
STERNA_BINARY_IN_PLACE(logical_or)
STERNA_BINARY_IN_PLACE(logical_xor)
STERNA_UNARY_IN_PLACE(logical_not)
STERNA_BINARY_IN_PLACE(bitwise_and)
STERNA_BINARY_IN_PLACE(bitwise_or)
STERNA_BINARY_IN_PLACE(bitwise_xor)
STERNA_BINARY_IN_PLACE(left_shift)
STERNA_BINARY_IN_PLACE(right_shift)
STERNA_UNARY_IN_PLACE(invert)
STERNA_UNARY(isnan)
STERNA_UNARY(isinf)
STERNA_UNARY(isfinite)
STERNA_UNARY(signbit)

STERNA_UNARY_IN_PLACE(relu)
STERNA_UNARY_IN_PLACE(relu2)
STERNA_UNARY_IN_PLACE(sigmoid)
STERNA_UNARY_IN_PLACE(silu)
STERNA_UNARY_IN_PLACE(gelu)
STERNA_UNARY_IN_PLACE(gelu_tanh)
STERNA_BINARY(quantize_i8)

Tensor clip(const Operand& x, const Operand& low, const Operand& high) {
  STERNA_ROW(clip);
  return apply(row, {&x, &low, &high});
}
Tensor clip_(const Tensor& x, const Operand& low, const Operand& high) {
  STERNA_ROW(clip);
  const Operand first(x);
  return apply_in_place(row, x, {&first, &low, &high});
}
Tensor where(const Operand& condition, const Operand& a, const Operand& b) {
  STERNA_ROW(where);
  return apply(row, {&condition, &a, &b});
}

}  // namespace sterna
