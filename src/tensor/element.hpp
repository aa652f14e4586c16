// One element's conversion to another type: the rules of Tensor::to.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "tensor/visit_dtype.hpp"

namespace sterna {

/// `value` rounded to float "to odd": cut off, and the last bit set when anything was lost. Rounding that to
/// half a float's precision or less gives what rounding `value` itself would; rounding to nearest twice may
/// not (Boldo & Melquiond 2008). Without branches, for loops over many.
inline float to_float_odd(double value) noexcept {
  const auto nearest = static_cast<float>(value);
  const double back = nearest;
  if (back == value || value != value) return nearest;
  auto bits = std::bit_cast<std::uint32_t>(nearest);
  const bool away = (back < 0 ? -back : back) > (value < 0 ? -value : value);
  if (away) bits -= 1;  // towards zero
  return std::bit_cast<float>(bits | 1u);
}

inline float to_float_odd(std::uint64_t value) noexcept {
  const int excess = static_cast<int>(std::bit_width(value)) - 24;  // bits that a float has no room for
  if (excess <= 0) return static_cast<float>(value);
  const std::uint64_t unit = std::uint64_t{1} << excess;
  const std::uint64_t rest = value & (unit - 1);
  return static_cast<float>((value - rest) | (rest ? unit : 0));
}

/// A float that a half type rounds to what it would round `value` to.
template <class From>
inline float to_half_source(From value) noexcept {
  if constexpr (std::is_same_v<From, double>) {
    return to_float_odd(value);
  } else if constexpr (std::is_integral_v<From> && sizeof(From) == 8) {
    const auto bits = static_cast<std::uint64_t>(value);
    if (std::is_signed_v<From> && value < 0) return -to_float_odd(0 - bits);
    return to_float_odd(bits);
  } else if constexpr (std::is_integral_v<From> && sizeof(From) == 4) {
    return to_float_odd(static_cast<double>(value));
  } else {
    return static_cast<float>(value);
  }
}

template <class To, class From>
inline To convert_element(From from) noexcept {
  if constexpr (std::is_same_v<To, From>) {
    return from;
  } else if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>) {
    return convert_element<To>(static_cast<float>(from));
  } else if constexpr (std::is_same_v<To, bool>) {
    return from != From{};
  } else if constexpr (std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>) {
    return To(to_half_source(from));
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    // The first power of two beyond To is a float; its greatest value need not be.
    constexpr From kBeyond = From(std::uint64_t{1} << (std::numeric_limits<To>::digits - 1)) * 2;
    constexpr From kLowest = std::is_signed_v<To> ? -kBeyond : From{0};
    if (from != from) return 0;
    if (from >= kBeyond) return std::numeric_limits<To>::max();
    if (from <= kLowest) return std::numeric_limits<To>::min();
    return static_cast<To>(from);
  } else {
    return static_cast<To>(from);
  }
}

}  // namespace sterna
