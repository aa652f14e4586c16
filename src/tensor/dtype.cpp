#include "sterna/dtype.hpp"

#include <array>

#include "base/checked.hpp"

namespace sterna {
namespace {

using enum DTypeKind;

// Block layouts and their sources: docs/packings.md.
constexpr std::array kTable{
    DTypeInfo{DType::F64, "f64", Float, 1, 8, 0, 0},
    DTypeInfo{DType::F32, "f32", Float, 1, 4, 0, 0},
    DTypeInfo{DType::F16, "f16", Float, 1, 2, 0, 0},
    DTypeInfo{DType::BF16, "bf16", Float, 1, 2, 0, 0},
    DTypeInfo{DType::I8, "i8", Integer, 1, 1, 0, 0},
    DTypeInfo{DType::I16, "i16", Integer, 1, 2, 0, 0},
    DTypeInfo{DType::I32, "i32", Integer, 1, 4, 0, 0},
    DTypeInfo{DType::I64, "i64", Integer, 1, 8, 0, 0},
    DTypeInfo{DType::U8, "u8", Integer, 1, 1, 0, 0},
    DTypeInfo{DType::U16, "u16", Integer, 1, 2, 0, 0},
    DTypeInfo{DType::U32, "u32", Integer, 1, 4, 0, 0},
    DTypeInfo{DType::U64, "u64", Integer, 1, 8, 0, 0},
    DTypeInfo{DType::Bool, "bool", Integer, 1, 1, 0, 0},
    DTypeInfo{DType::I4, "i4", Packed, 2, 1, 0, 0},
    DTypeInfo{DType::U4, "u4", Packed, 2, 1, 0, 0},
    DTypeInfo{DType::Ternary2, "ternary2", Packed, 4, 1, 0, 0},
    DTypeInfo{DType::Ternary1_6, "ternary1_6", Packed, 5, 1, 0, 0},
    DTypeInfo{DType::Binary1, "binary1", Packed, 8, 1, 0, 0},
    DTypeInfo{DType::Q4_0, "q4_0", Block, 32, 18, 0, 0},
    DTypeInfo{DType::Q8_0, "q8_0", Block, 32, 34, 0, 0},
    DTypeInfo{DType::Q6_K, "q6_k", Block, 256, 210, 0, 0},
    DTypeInfo{DType::Q1_0, "q1_0", Block, 128, 18, 0, 0},
    DTypeInfo{DType::Q2_0, "q2_0", Block, 64, 18, 0, 0},
    DTypeInfo{DType::I2_S, "i2_s", Ternary, 4, 1, 0, 32},
    DTypeInfo{DType::TQ1_0, "tq1_0", Ternary, 256, 54, 0, 0},
    DTypeInfo{DType::TQ2_0, "tq2_0", Ternary, 256, 66, 0, 0},
    DTypeInfo{DType::IQ1_BN, "iq1_bn", Ternary, 64, 13, 2, 0},
    DTypeInfo{DType::IQ2_BN, "iq2_bn", Ternary, 64, 16, 4, 0},
};

constexpr bool in_enum_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<std::size_t>(kTable[i].dtype) != i) return false;
  }
  return true;
}
static_assert(in_enum_order());

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

}  // namespace

std::span<const DTypeInfo> dtype_table() noexcept {
  return kTable;
}

const DTypeInfo& info(DType dtype) noexcept {
  return kTable[static_cast<std::size_t>(dtype)];
}

std::optional<DType> dtype_from_name(std::string_view name) noexcept {
  for (const DTypeInfo& row : kTable) {
    if (equal_ignoring_case(row.name, name)) return row.dtype;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> storage_bytes(DType dtype, std::uint64_t rows, std::uint64_t cols) noexcept {
  const DTypeInfo& row = info(dtype);
  std::uint64_t lines = rows;
  std::uint64_t line = cols;
  if (dtype == DType::I2_S || row.kind == Packed) {  // a row may end inside a block
    const auto elements = checked_mul(rows, cols);
    if (!elements) return std::nullopt;
    lines = 1;
    line = *elements;
  }
  if (line % row.block_elements != 0 && row.kind != Packed) return std::nullopt;
  const auto blocks =
      checked_mul<std::uint64_t>(ceil_div<std::uint64_t>(line, row.block_elements), row.block_bytes);
  const auto with_extra = blocks ? checked_add<std::uint64_t>(*blocks, row.row_bytes_extra) : blocks;
  const auto body = with_extra ? checked_mul(*with_extra, lines) : with_extra;
  return body ? checked_add<std::uint64_t>(*body, row.tensor_bytes_extra) : body;
}

}  // namespace sterna
