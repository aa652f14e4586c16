// Rows that go through the C library's functions, and integer division and powers: one element at a time.
// glibc's are within 1 ulp (its manual, "Known Maximum Errors in Math Functions"); another C library may
// differ in the last bit.
#include <cmath>
#include <limits>
#include <type_traits>

#include "tensor/ops/groups.hpp"

namespace sterna::ops {
namespace {

template <class T, T (*F)(T)>
void loop1(const void* const* in, void* out, std::size_t n) {
  const T* const a = static_cast<const T*>(in[0]);
  T* const o = static_cast<T*>(out);
  for (std::size_t i = 0; i < n; ++i) o[i] = F(a[i]);
}
template <class T, T (*F)(T, T)>
void loop2(const void* const* in, void* out, std::size_t n) {
  const T* const a = static_cast<const T*>(in[0]);
  const T* const b = static_cast<const T*>(in[1]);
  T* const o = static_cast<T*>(out);
  for (std::size_t i = 0; i < n; ++i) o[i] = F(a[i], b[i]);
}

using Float1 = float (*)(float);
using Float2 = float (*)(float, float);
using Double1 = double (*)(double);
using Double2 = double (*)(double, double);

constexpr std::size_t at(DType type) {
  return static_cast<std::size_t>(type);
}
template <Float1 F, Double1 D>
constexpr Loops unary() {
  Loops loops{};
  loops[at(DType::F32)] = &loop1<float, F>;
  loops[at(DType::F64)] = &loop1<double, D>;
  return loops;
}
template <Float2 F, Double2 D>
constexpr Loops binary() {
  Loops loops{};
  loops[at(DType::F32)] = &loop2<float, F>;
  loops[at(DType::F64)] = &loop2<double, D>;
  return loops;
}

/// Quotient rounded down and the remainder that belongs to it, with the divisor's sign; of floats as Python's
/// divmod.
template <class T>
struct Divided {
  T quotient;
  T remainder;
};
template <class T>
Divided<T> divide(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    T remainder = std::fmod(a, b);
    if (b == 0) return {a / b, remainder};
    T quotient = (a - remainder) / b;
    if (remainder == 0) {
      remainder = std::copysign(T{0}, b);
    } else if ((b < 0) != (remainder < 0)) {
      remainder += b;
      quotient -= 1;
    }
    if (quotient == 0) return {std::copysign(T{0}, a / b), remainder};
    const T whole = std::floor(quotient);  // the division above may have rounded
    return {quotient - whole > T{0.5} ? whole + 1 : whole, remainder};
  } else {
    if (b == 0) return {0, 0};
    if constexpr (std::is_signed_v<T>) {
      using U = std::make_unsigned_t<T>;
      if (b == -1)
        return {static_cast<T>(U{0} - static_cast<U>(a)), 0};  // the most negative one stays itself
      const T remainder = static_cast<T>(a % b);
      const bool down = remainder != 0 && (remainder < 0) != (b < 0);
      return {static_cast<T>(a / b - down), static_cast<T>(down ? remainder + b : remainder)};
    }
    return {static_cast<T>(a / b), static_cast<T>(a % b)};
  }
}
template <class T>
T floor_divide(T a, T b) {
  return divide(a, b).quotient;
}
template <class T>
T remainder(T a, T b) {
  return divide(a, b).remainder;
}
/// The remainder of the quotient rounded to zero.
template <class T>
T fmod(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fmod(a, b);
  } else {
    if (b == 0) return 0;
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return 0;
    }
    return static_cast<T>(a % b);
  }
}
/// a^b modulo 2^bits; b ≥ 0, which the caller has seen to.
template <class T>
T power(T a, T b) {
  using U = std::conditional_t<(sizeof(T) < 4), std::uint32_t, std::make_unsigned_t<T>>;
  U base = static_cast<U>(a);
  U result = 1;
  for (auto e = static_cast<std::make_unsigned_t<T>>(b); e != 0; e >>= 1) {
    if (e & 1) result *= base;
    base *= base;
  }
  return static_cast<T>(result);
}
template <class T>
T log_add_exp(T a, T b) {
  if (a == b) return a + T(0.69314718055994530942);  // infinities of one sign too
  const T difference = a - b;
  if (difference > 0) return a + std::log1p(std::exp(-difference));
  if (difference <= 0) return b + std::log1p(std::exp(difference));
  return difference;  // NaN
}
/// glibc's cbrt of a double is up to 4 units in the last place off; one step of Newton's method on
/// y³ = x, with the residual y³ − x computed beyond double precision, leaves less than 1.
double cube_root(double x) {
  if (x == 0 || !std::isfinite(x)) return x;
  // Away from the ends of the range, where y³ would lose bits or overflow; powers of 8 are exact in the root.
  const double magnitude = std::fabs(x);
  const int shift = magnitude < 0x1p-900 ? 180 : magnitude > 0x1p900 ? -180 : 0;
  const double scaled = std::ldexp(x, shift);
  const double y = std::cbrt(scaled);
  const double square = y * y;
  const double square_error = std::fma(y, y, -square);
  const double cube = square * y;
  const double cube_error = std::fma(square, y, -cube) + square_error * y;
  return std::ldexp(y - (cube - scaled + cube_error) / (3 * square), -shift / 3);
}

// Loops for every integer dtype, beside those given for floats.
#define STERNA_INTEGERS(F, floats)                                   \
  [] {                                                               \
    Loops loops = floats;                                            \
    loops[at(DType::I8)] = &loop2<std::int8_t, F<std::int8_t>>;      \
    loops[at(DType::I16)] = &loop2<std::int16_t, F<std::int16_t>>;   \
    loops[at(DType::I32)] = &loop2<std::int32_t, F<std::int32_t>>;   \
    loops[at(DType::I64)] = &loop2<std::int64_t, F<std::int64_t>>;   \
    loops[at(DType::U8)] = &loop2<std::uint8_t, F<std::uint8_t>>;    \
    loops[at(DType::U16)] = &loop2<std::uint16_t, F<std::uint16_t>>; \
    loops[at(DType::U32)] = &loop2<std::uint32_t, F<std::uint32_t>>; \
    loops[at(DType::U64)] = &loop2<std::uint64_t, F<std::uint64_t>>; \
    return loops;                                                    \
  }()

constexpr OpRow kRows[] = {
    {"floor_divide", 2, Rule::Numeric,
     STERNA_INTEGERS(floor_divide, (binary<&floor_divide<float>, &floor_divide<double>>()))},
    {"remainder", 2, Rule::Numeric,
     STERNA_INTEGERS(remainder, (binary<&remainder<float>, &remainder<double>>()))},
    {"fmod", 2, Rule::Numeric, STERNA_INTEGERS(fmod, (binary<&fmod<float>, &fmod<double>>()))},
    {"power", 2, Rule::Numeric, STERNA_INTEGERS(power, (binary<&std::pow, &std::pow>()))},
    {"arctan2", 2, Rule::Float, binary<&std::atan2, &std::atan2>()},
    {"hypot", 2, Rule::Float, binary<&std::hypot, &std::hypot>()},
    {"logaddexp", 2, Rule::Float, binary<&log_add_exp<float>, &log_add_exp<double>>()},
    {"exp2", 1, Rule::Float, unary<&std::exp2, &std::exp2>()},
    {"expm1", 1, Rule::Float, unary<&std::expm1, &std::expm1>()},
    {"log2", 1, Rule::Float, unary<&std::log2, &std::log2>()},
    {"log10", 1, Rule::Float, unary<&std::log10, &std::log10>()},
    {"log1p", 1, Rule::Float, unary<&std::log1p, &std::log1p>()},
    {"cbrt", 1, Rule::Float, unary<&std::cbrt, &cube_root>()},
    {"sin", 1, Rule::Float, unary<&std::sin, &std::sin>()},
    {"cos", 1, Rule::Float, unary<&std::cos, &std::cos>()},
    {"tan", 1, Rule::Float, unary<&std::tan, &std::tan>()},
    {"arcsin", 1, Rule::Float, unary<&std::asin, &std::asin>()},
    {"arccos", 1, Rule::Float, unary<&std::acos, &std::acos>()},
    {"arctan", 1, Rule::Float, unary<&std::atan, &std::atan>()},
    {"sinh", 1, Rule::Float, unary<&std::sinh, &std::sinh>()},
    {"cosh", 1, Rule::Float, unary<&std::cosh, &std::cosh>()},
    {"arcsinh", 1, Rule::Float, unary<&std::asinh, &std::asinh>()},
    {"arccosh", 1, Rule::Float, unary<&std::acosh, &std::acosh>()},
    {"arctanh", 1, Rule::Float, unary<&std::atanh, &std::atanh>()},
    {"erf", 1, Rule::Float, unary<&std::erf, &std::erf>()},
};

}  // namespace

std::span<const OpRow> libm_rows() {
  return kRows;
}

}  // namespace sterna::ops
