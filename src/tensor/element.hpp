// One element's conversion to another type: the rules of Tensor::to.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "tensor/visit_dtype.hpp"

namespace sterna {

/// The float next to `value` whose last bit is odd where float cannot hold it: rounding that to half a
/// float's precision or less gives what rounding `value` itself would, which two roundings to nearest do not.
inline float to_float_odd(double value) noexcept {
  const auto nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || std::isnan(value) || std::isinf(nearest)) return nearest;
  auto bits = std::bit_cast<std::uint32_t>(nearest);
  if (std::abs(static_cast<double>(nearest)) > std::abs(value)) --bits;  // towards zero
  return std::bit_cast<float>(bits | 1u);
}

inline float to_float_odd(std::uint64_t value) noexcept {
  const int excess = static_cast<int>(std::bit_width(value)) - 24;  // bits that a float has no room for
  if (excess <= 0) return static_cast<float>(value);
  const std::uint64_t unit = std::uint64_t{1} << excess;
  const std::uint64_t rest = value & (unit - 1);
  return static_cast<float>((value - rest) | (rest ? unit : 0));
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
    if constexpr (std::is_same_v<From, double>) {
      return To(to_float_odd(from));
    } else if constexpr (std::is_integral_v<From> && sizeof(From) == 8) {
      if constexpr (std::is_signed_v<From>) {
        const auto bits = static_cast<std::uint64_t>(from);
        return To(from < 0 ? -to_float_odd(0 - bits) : to_float_odd(bits));
      } else {
        return To(to_float_odd(static_cast<std::uint64_t>(from)));
      }
    } else if constexpr (std::is_integral_v<From> && sizeof(From) == 4) {
      return To(to_float_odd(static_cast<double>(from)));
    } else {
      return To(static_cast<float>(from));
    }
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
