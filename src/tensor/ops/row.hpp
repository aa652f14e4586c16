// The rows of the table of element-wise operations: name, operands, how types are promoted, and one loop per
// type.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "sterna/dtype.hpp"

namespace sterna::ops {

/// F64 … Bool: the element types that are plain elements, and come first in the table of element types.
inline constexpr std::size_t kPlainTypes = static_cast<std::size_t>(DType::Bool) + 1;

/// Computes `n` elements: `in[k]` holds those of operand k side by side, `out` those of the result. `out` may
/// be one of the operands when their elements have the same size; it overlaps them in no other way.
using Loop = void (*)(const void* const* in, void* out, std::size_t n);

/// By the type computed in; null where the operation has no meaning for it. F16 and BF16 have none of their
/// own: they are computed in F32 and rounded.
using Loops = std::array<Loop, kPlainTypes>;

/// Most operands an operation has.
inline constexpr int kMaxOperands = 3;

/// What the operands are converted to, and the type of the result.
enum class Rule : std::uint8_t {
  Common,     ///< the common type, and the result is of it
  Numeric,    ///< the same, but Bool counts as I8
  Float,      ///< the smallest float type that holds the common type: I8 → F16, I16 → F32, I32 → F64
  Division,   ///< the common type, F64 when that is no float type
  Compare,    ///< computed in the common type, gives Bool
  Predicate,  ///< computed as Float, gives Bool
  Logical,    ///< operands become Bool (≠ 0), gives Bool
  Select,     ///< the first operand becomes Bool, the others their common type, which the result has
  Quantize,   ///< computed in F32, gives I8
};

struct OpRow {
  std::string_view name;
  int operands;
  Rule rule;
  Loops loops;
};

/// Every element-wise operation, with the loops of the widest instruction set that this processor has.
std::span<const OpRow> op_table();
/// The same rows compiled from the same sources for one element at a time, with the compiler's own
/// vectorisation off: what the tests compare with, and what the benchmark calls scalar. Rows without SIMD
/// loops are not in it.
std::span<const OpRow> scalar_op_table();

/// The row of a name; Error(Internal) when there is none.
const OpRow& op_row(std::string_view name);

}  // namespace sterna::ops
