// The packed dtypes: integers of a few bits, several per byte.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "sterna/error.hpp"
#include "tensor/copy.hpp"
#include "tensor/element.hpp"
#include "tensor/visit_dtype.hpp"

namespace sterna {
namespace {

/// How a byte holds its elements: as digits of a number in some base, the first element the lowest digit.
struct Packed {
  DType dtype;
  int per_byte;
  int base;
  int lowest, highest;               // what it can hold
  int (*digit)(int value) noexcept;  // of a value in that range
  int (*value)(int digit) noexcept;  // and back
};

int same(int value) noexcept {
  return value;
}
int trit_digit(int value) noexcept {
  return value + 1;
}
int trit_value(int digit) noexcept {
  return digit - 1;
}

constexpr std::array kPacked{
    Packed{DType::I4, 2, 16, -8, 7, [](int v) noexcept { return v & 15; },
           [](int d) noexcept { return d < 8 ? d : d - 16; }},
    Packed{DType::U4, 2, 16, 0, 15, same, same},
    Packed{DType::Ternary2, 4, 4, -1, 1, trit_digit, trit_value},
    Packed{DType::Ternary1_6, 5, 3, -1, 1, trit_digit, trit_value},
    Packed{DType::Binary1, 8, 2, -1, 1, [](int v) noexcept { return int{v >= 0}; },
           [](int d) noexcept { return 2 * d - 1; }},
};

const Packed& packed(DType dtype, std::string_view operation) {
  const auto* row = std::ranges::find(kPacked, dtype, &Packed::dtype);
  if (row == kPacked.end()) refuse_dtype(operation, dtype);
  return *row;
}

}  // namespace

void pack_elements(const Tensor& from, const Tensor& to) {
  const Packed& row = packed(to.dtype(), "pack");
  const std::int64_t size = from.size();
  if (size == 0) return;
  auto* out = reinterpret_cast<std::uint8_t*>(to.mutable_raw());
  visit_dtype(from.dtype(), "pack", [&]<class T>(std::type_identity<T>) {
    const T* in = from.data<T>();
    for (std::int64_t i = 0; i < size; i += row.per_byte) {
      int byte = 0;
      for (int j = static_cast<int>(std::min<std::int64_t>(row.per_byte, size - i)) - 1; j >= 0; --j) {
        const auto value = convert_element<double>(in[i + j]);
        const double held = std::isnan(value) ? 0 : std::clamp<double>(value, row.lowest, row.highest);
        // Truncated like every conversion to integers, except that every negative number has Binary1's sign.
        const int digit = row.digit(row.base == 2 && held < 0 ? -1 : static_cast<int>(held));
        byte = byte * row.base + digit;
      }
      out[i / row.per_byte] = static_cast<std::uint8_t>(byte);
    }
  });
}

void unpack_elements(const Tensor& from, const Tensor& to) {
  const Packed& row = packed(from.dtype(), "unpack");
  const std::int64_t size = from.size();
  if (size == 0) return;
  const auto* in = reinterpret_cast<const std::uint8_t*>(from.raw());
  auto* out = reinterpret_cast<std::int8_t*>(to.mutable_raw());  // values of U4 are the same bits
  for (std::int64_t i = 0; i < size; i += row.per_byte) {
    int byte = in[i / row.per_byte];
    const auto count = std::min<std::int64_t>(row.per_byte, size - i);
    for (std::int64_t j = 0; j < count; ++j, byte /= row.base) {
      const int value = row.value(byte % row.base);
      if (value > row.highest || (row.base == 3 && in[i / row.per_byte] > 242)) {
        throw Error(ErrorCategory::Format, "a byte holds no value of its dtype",
                    {{"operation", "unpack"},
                     {"dtype", std::string(name(row.dtype))},
                     {"element", std::to_string(i + j)},
                     {"found", std::to_string(in[i / row.per_byte])}});
      }
      out[i + j] = static_cast<std::int8_t>(value);
    }
  }
}

}  // namespace sterna
