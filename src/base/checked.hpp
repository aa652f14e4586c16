// Integer arithmetic on sizes that come from files: an overflow is an error, never a wrapped number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>

namespace sterna {

/// a + b, a * b: nothing when the result does not fit T.
template <class T>
constexpr std::optional<T> checked_add(T a, T b) noexcept {
  T r;
  if (__builtin_add_overflow(a, b, &r)) return std::nullopt;
  return r;
}

template <class T>
constexpr std::optional<T> checked_mul(T a, T b) noexcept {
  T r;
  if (__builtin_mul_overflow(a, b, &r)) return std::nullopt;
  return r;
}

/// `value` as To, or nothing when To cannot hold it.
template <class To, class From>
constexpr std::optional<To> checked_cast(From value) noexcept {
  static_assert(std::is_integral_v<To> && std::is_integral_v<From>);
  To r;
  if (__builtin_add_overflow(value, From{0}, &r)) return std::nullopt;
  return r;
}

/// ⌈a / b⌉ for b > 0, without overflow.
template <class T>
constexpr T ceil_div(T a, T b) noexcept {
  return a / b + (a % b != 0);
}

/// The smallest multiple of `step` that is ≥ n; the caller knows that it fits.
template <class T>
constexpr T round_up(T n, T step) noexcept {
  return ceil_div(n, step) * step;
}

}  // namespace sterna
