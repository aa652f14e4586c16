// The groups of rows that make the table: each group is a file.
#pragma once

#include <span>

#include "tensor/ops/row.hpp"

namespace sterna::ops {

std::span<const OpRow> simd_arithmetic_rows();
std::span<const OpRow> simd_compare_rows();
std::span<const OpRow> simd_activation_rows();
std::span<const OpRow> libm_rows();

std::span<const OpRow> scalar_arithmetic_rows();
std::span<const OpRow> scalar_compare_rows();
std::span<const OpRow> scalar_activation_rows();

}  // namespace sterna::ops
