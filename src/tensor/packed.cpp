#include "tensor/packed.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

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

const Packed& row_of(DType dtype) noexcept {
  return *std::ranges::find(kPacked, dtype, &Packed::dtype);
}

}  // namespace

DType unpacked_dtype(DType packed) noexcept {
  return packed == DType::U4 ? DType::U8 : DType::I8;
}

void pack(DType dtype, const double* in, std::byte* out, std::int64_t n, bool nearest) {
  const Packed& row = row_of(dtype);
  const bool sign = row.base == 2;  // every negative number has its sign, however small
  for (std::int64_t i = 0; i < n; i += row.per_byte) {
    int byte = 0;
    for (int j = static_cast<int>(std::min<std::int64_t>(row.per_byte, n - i)) - 1; j >= 0; --j) {
      const double value = in[i + j];
      double held = std::isnan(value) ? 0 : std::clamp<double>(value, row.lowest, row.highest);
      if (sign) held = held < 0 ? -1 : 1;
      if (nearest) held = std::nearbyint(held);
      byte = byte * row.base + row.digit(static_cast<int>(held));
    }
    out[i / row.per_byte] = static_cast<std::byte>(byte);
  }
}

std::int64_t unpack(DType dtype, const std::byte* in, std::byte* out, std::int64_t n) {
  const Packed& row = row_of(dtype);
  for (std::int64_t i = 0; i < n; i += row.per_byte) {
    const int whole = static_cast<int>(in[i / row.per_byte]);
    if (row.base == 3 && whole > 242) return i;
    int byte = whole;
    const auto count = std::min<std::int64_t>(row.per_byte, n - i);
    for (std::int64_t j = 0; j < count; ++j, byte /= row.base) {
      const int value = row.value(byte % row.base);
      if (value > row.highest) return i + j;
      out[i + j] = static_cast<std::byte>(value);  // values of U4 are the same bits as of I8
    }
  }
  return n;
}

}  // namespace sterna
