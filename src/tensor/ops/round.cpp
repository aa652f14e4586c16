// Rounding to decimal places.
#include <array>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "sterna/ops.hpp"
#include "tensor/ops/apply.hpp"
#include "tensor/visit_dtype.hpp"

namespace sterna {
namespace {

/// The powers of ten that a U64 holds. Beyond them every integer is nearer to 0.
constexpr auto kTens = [] {
  std::array<std::uint64_t, 20> tens{1};
  for (std::size_t i = 1; i < tens.size(); ++i) tens[i] = 10 * tens[i - 1];
  return tens;
}();

/// The multiple of `step` that is nearest to x, the even one of two; modulo 2^64.
constexpr std::uint64_t to_multiple(std::uint64_t x, std::uint64_t step) {
  const std::uint64_t whole = x / step;
  const std::uint64_t rest = x % step;
  const bool up = rest > step - rest || (rest == step - rest && whole % 2 != 0);
  return (whole + up) * step;
}

template <class T>
T signed_to_multiple(T x, std::uint64_t step) {
  const auto bits = static_cast<std::uint64_t>(x);
  const bool negative = std::is_signed_v<T> && x < 0;  // halves to even are the same on both sides of 0
  const std::uint64_t rounded = to_multiple(negative ? 0 - bits : bits, step);
  return static_cast<T>(negative ? 0 - rounded : rounded);
}

/// To multiples of 10^places.
Tensor round_integers(const Tensor& x, std::size_t places) {
  if (places >= kTens.size()) return Tensor::zeros(x.shape(), x.dtype());
  Tensor result = x.clone();
  const std::uint64_t step = kTens[places];
  visit_dtype(x.dtype(), "round", [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      T* const at = reinterpret_cast<T*>(result.mutable_raw());
      for (std::int64_t i = 0; i < result.size(); ++i) at[i] = signed_to_multiple(at[i], step);
    }
  });
  return result;
}

Tensor round_floats(const Tensor& x, double tens, bool multiply_first) {
  if (multiply_first) return divide_(rint_(multiply(x, tens)), tens);
  return multiply_(rint_(divide(x, tens)), tens);
}

}  // namespace

Tensor round(const Tensor& x, int decimals) {
  ops::require_plain("round", x);
  if (x.dtype() == DType::Bool) refuse_dtype("round", x.dtype());
  if (info(x.dtype()).kind == DTypeKind::Integer) {
    return decimals >= 0 ? x.clone() : round_integers(x, static_cast<std::size_t>(-std::int64_t{decimals}));
  }
  if (decimals == 0) return rint(x);
  const double tens = std::pow(10.0, std::abs(static_cast<double>(decimals)));
  const bool half = info(x.dtype()).block_bytes < sizeof(float);
  return half ? round_floats(x.to(DType::F32), tens, decimals > 0).to(x.dtype())
              : round_floats(x, tens, decimals > 0);
}

}  // namespace sterna
