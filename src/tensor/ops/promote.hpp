// Which type operands meet in.
#pragma once

#include <span>

#include "sterna/dtype.hpp"
#include "tensor/ops/row.hpp"

namespace sterna::ops {

constexpr bool is_plain(DType type) {
  return type <= DType::Bool;
}
constexpr bool is_float(DType type) {
  return type <= DType::BF16;
}
constexpr bool is_signed_integer(DType type) {
  return type >= DType::I8 && type <= DType::I64;
}
constexpr bool is_unsigned_integer(DType type) {
  return type >= DType::U8 && type <= DType::U64;
}
constexpr bool is_integer(DType type) {
  return is_signed_integer(type) || is_unsigned_integer(type);
}

/// NumPy's promotion of two types of arrays; both plain.
DType common_type(DType a, DType b) noexcept;
/// The smallest float type that holds every value of a type that is not wider than 16 bits, F64 for others.
DType float_type(DType type) noexcept;

/// What a rule makes of operands of types whose common type is `common`.
struct Types {
  DType converted;  ///< every operand becomes this (the condition of Select stays Bool)
  DType computed;   ///< whose loop runs: `converted`, or F32 for the half floats
  DType result;
};
Types types_of(Rule rule, DType common) noexcept;

}  // namespace sterna::ops
