// Element types: everything a tensor in a file or in memory can be made of, one row each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sterna {

/// The packed dtypes hold integers without a scale, the first element in the lowest bits of the first byte:
///   I4          −8 … 7 in two's complement, two per byte
///   U4          0 … 15, two per byte
///   Ternary2    t ∈ {−1, 0, 1} as t + 1 in 2 bits, four per byte
///   Ternary1_6  Σⱼ (tⱼ + 1)·3ʲ of five t: 0 … 242, 1.6 bits each
///   Binary1     −1 as 0, +1 as 1, eight per byte
///
/// The order is that of the table and has no meaning outside the process: files use their own ids.
enum class DType : std::uint8_t {
  F64,
  F32,
  F16,
  BF16,
  I8,
  I16,
  I32,
  I64,
  U8,
  U16,
  U32,
  U64,
  Bool,  // plain elements
  I4,
  U4,
  Ternary2,
  Ternary1_6,
  Binary1,  // packed elements: several per byte
  Q4_0,
  Q8_0,
  Q6_K,
  Q1_0,
  Q2_0,  // blocks of small integers with a scale
  I2_S,
  TQ1_0,
  TQ2_0,
  IQ1_BN,
  IQ2_BN,  // ternary packings
};

enum class DTypeKind : std::uint8_t { Float, Integer, Packed, Block, Ternary };

/// A row of the dtype table.
struct DTypeInfo {
  DType dtype;
  std::string_view name;  ///< as in `--type` and reports: "f32", "i2_s"
  DTypeKind kind;
  std::uint16_t block_elements;  ///< elements stored together; 1 for plain types
  std::uint16_t block_bytes;     ///< bytes of such a block, without per-row or per-tensor extras
  std::uint8_t row_bytes_extra;  ///< bytes a row carries besides its blocks (IQ2_BN: an f32 scale)
  std::uint8_t
      tensor_bytes_extra;  ///< bytes a tensor carries besides its rows (I2_S: 32, the scale and padding)

  /// One element per block: it has an address, and a C++ type.
  constexpr bool is_plain() const noexcept { return kind == DTypeKind::Float || kind == DTypeKind::Integer; }
  /// Of one element, without what rows and tensors carry besides.
  constexpr double bits() const noexcept { return 8.0 * block_bytes / block_elements; }
};

/// All rows, in the order of the enum.
std::span<const DTypeInfo> dtype_table() noexcept;
const DTypeInfo& info(DType dtype) noexcept;
inline std::string_view name(DType dtype) noexcept {
  return info(dtype).name;
}
/// The dtype of a name (any case), or nothing.
std::optional<DType> dtype_from_name(std::string_view name) noexcept;

/// Bytes of a tensor of `rows` × `cols` elements (cols contiguous). Nothing when cols is not a whole number
/// of blocks (I2_S counts the tensor's elements, not a row's) or the size overflows. A packed dtype's
/// elements follow each other without regard to rows, and the last byte is filled with zeros.
std::optional<std::uint64_t> storage_bytes(DType dtype, std::uint64_t rows, std::uint64_t cols) noexcept;

}  // namespace sterna
