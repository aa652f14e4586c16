// Applies a row of the table of operations to tensors and numbers.
#pragma once

#include <initializer_list>
#include <string_view>

#include "sterna/error.hpp"
#include "sterna/ops.hpp"
#include "tensor/ops/row.hpp"

namespace sterna::ops {

Tensor apply(const OpRow& row, std::initializer_list<const Operand*> operands);
/// The result written into `target`, which is also one of the operands or overlaps them in any way.
Tensor apply_in_place(const OpRow& row, const Tensor& target, std::initializer_list<const Operand*> operands);

/// Throws Unsupported unless the elements can be computed with.
void require_plain(std::string_view operation, const Tensor& tensor);
/// axis in 0 … rank − 1; throws InvalidArgument.
std::size_t normal_axis(std::string_view operation, const Tensor& tensor, std::int64_t axis);

}  // namespace sterna::ops
