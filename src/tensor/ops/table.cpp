// The table of element-wise operations: all groups of rows together.
#include <vector>

#include "sterna/error.hpp"
#include "tensor/ops/groups.hpp"

namespace sterna::ops {
namespace {

std::vector<OpRow> join(std::initializer_list<std::span<const OpRow>> groups) {
  std::vector<OpRow> rows;
  for (const auto& group : groups) rows.insert(rows.end(), group.begin(), group.end());
  return rows;
}

}  // namespace

std::span<const OpRow> op_table() {
  static const std::vector<OpRow> rows =
      join({simd_arithmetic_rows(), simd_compare_rows(), simd_activation_rows(), libm_rows()});
  return rows;
}

std::span<const OpRow> scalar_op_table() {
  static const std::vector<OpRow> rows =
      join({scalar_arithmetic_rows(), scalar_compare_rows(), scalar_activation_rows()});
  return rows;
}

const OpRow& op_row(std::string_view name) {
  for (const OpRow& row : op_table()) {
    if (row.name == name) return row;
  }
  throw Error(ErrorCategory::Internal, "no such operation", {{"operation", std::string(name)}});
}

}  // namespace sterna::ops
