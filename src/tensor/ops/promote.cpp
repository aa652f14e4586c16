#include "tensor/ops/promote.hpp"

#include <algorithm>

namespace sterna::ops {
namespace {

std::size_t bits(DType type) {
  return info(type).block_bytes * 8u;
}
DType signed_of(std::size_t width) {
  return width <= 8 ? DType::I8 : width <= 16 ? DType::I16 : width <= 32 ? DType::I32 : DType::I64;
}

}  // namespace

DType common_type(DType a, DType b) noexcept {
  if (a == b || b == DType::Bool) return a;
  if (a == DType::Bool) return b;
  if (is_float(a) && is_float(b)) {
    // The half floats hold different ranges: only F32 holds both.
    return bits(a) == bits(b) ? DType::F32 : bits(a) > bits(b) ? a : b;
  }
  if (is_float(a) || is_float(b)) {
    const DType real = is_float(a) ? a : b;
    const std::size_t integer = bits(is_float(a) ? b : a);
    if (integer == 8) return real;  // 8 bits fit the mantissa of every float type
    return integer > 16 || real == DType::F64 ? DType::F64 : DType::F32;
  }
  if (is_signed_integer(a) == is_signed_integer(b)) return bits(a) > bits(b) ? a : b;
  const std::size_t sign = bits(is_signed_integer(a) ? a : b);
  const std::size_t unsign = bits(is_signed_integer(a) ? b : a);
  if (sign > unsign) return signed_of(sign);
  return unsign == 64 ? DType::F64 : signed_of(2 * unsign);
}

DType float_type(DType type) noexcept {
  if (is_float(type)) return type;
  return bits(type) == 8 ? DType::F16 : bits(type) == 16 ? DType::F32 : DType::F64;
}

Types types_of(Rule rule, DType common) noexcept {
  const auto computed = [](DType type) {
    return type == DType::F16 || type == DType::BF16 ? DType::F32 : type;
  };
  const auto same = [&](DType type) { return Types{type, computed(type), type}; };
  switch (rule) {
    case Rule::Numeric:
      return same(common == DType::Bool ? DType::I8 : common);
    case Rule::Float:
      return same(float_type(common));
    case Rule::Division:
      return same(is_float(common) ? common : DType::F64);
    case Rule::Compare:
      return {common, computed(common), DType::Bool};
    case Rule::Predicate:
      return {float_type(common), computed(float_type(common)), DType::Bool};
    case Rule::Logical:
      return {DType::Bool, DType::Bool, DType::Bool};
    case Rule::Quantize:
      return {DType::F32, DType::F32, DType::I8};
    case Rule::Common:
    case Rule::Select:
      break;
  }
  return same(common);
}

}  // namespace sterna::ops
