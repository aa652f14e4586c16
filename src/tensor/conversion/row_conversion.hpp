// The conversion of elements that lie side by side: the one path from any dtype to any other.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "sterna/conversion.hpp"
#include "tensor/ops/convert.hpp"
#include "tensor/ops/row.hpp"

namespace sterna {

/// Elements in a part must be a multiple of this for the next part of a packed tensor to begin at a byte: 2,
/// 4, 5 and 8 divide it.
inline constexpr std::int64_t kPackedGrain = 40;

/// From one dtype to another, each plain or packed, by the rules of ConversionQuality.
class RowConversion {
 public:
  /// Throws Unsupported, in the name of `operation`, for the block dtypes.
  RowConversion(std::string_view operation, DType from, DType to,
                ConversionQuality quality = ConversionQuality::Fast);

  /// Converts n elements; `first` is the place of the first in the tensor, for errors. Packed elements begin
  /// at a byte, and the last byte written is filled with zeros. The two must not overlap.
  void operator()(const std::byte* in, std::byte* out, std::int64_t n, std::int64_t first = 0) const;

  bool is_plain() const noexcept { return info(from_).is_plain() && info(to_).is_plain(); }

 private:
  // The steps, in this order; a null one is left out. Unpacking and packing are the first and the last.
  DType from_, to_;
  DType read_, written_;          // after unpacking and widening, before packing
  ops::Convert widen_ = nullptr;  // a half float to F32
  ops::Loop round_ = nullptr;     // to integers
  ops::Clamp clamp_ = nullptr;    // to [low_, high_]
  ops::Convert convert_;          // from read_ to written_
  std::array<std::byte, 8> low_{}, high_{};
  bool nearest_;  // packing rounds
};

/// n elements as `dtype`, one after the other, and bytes of n elements.
std::int64_t bytes_of(DType dtype, std::int64_t n) noexcept;

/// to[i…] = from[i…]: equal shapes, the dtypes of the conversion; `to` is contiguous if its dtype is packed.
/// The two must not overlap.
void convert_elements(const Tensor& from, const Tensor& to, const RowConversion& conversion);

}  // namespace sterna
