// Products of integer matrices, exact modulo 2^bits, and of Bool ones.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sterna/dtype.hpp"

namespace sterna::linalg {

/// c(m, n) += a(m, k)·b(k, n) in elements of one type. Strides in elements; rows of b have none between
/// their elements, c has no gaps. For Bool + is "or" and · is "and".
struct IntegerProduct {
  std::int64_t m, n, k;
  std::int64_t a_row, a_col, b_row;
};
using IntegerMultiply = void (*)(const IntegerProduct&, const std::byte* a, const std::byte* b, std::byte* c);

/// For an integer type or Bool. Signed types wrap as unsigned ones do, so only the width matters.
IntegerMultiply integer_multiply(DType dtype);

}  // namespace sterna::linalg
