// Functions of vectors of float or double. No fused multiply-add: the same bits on every instruction set.
#if defined(STERNA_OPS_MATH_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef STERNA_OPS_MATH_INL
#undef STERNA_OPS_MATH_INL
#else
#define STERNA_OPS_MATH_INL
#endif

#include <type_traits>

#include "tensor/ops/simd/loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace sterna::STERNA_OPS_NAMESPACE::HWY_NAMESPACE {
namespace {
namespace math {

template <class D>
using Element = hn::TFromD<D>;

/// c[0]·x^(N−1) + … + c[N−1], by Horner's rule.
template <class D, class V, class T, std::size_t N>
HWY_INLINE V polynomial(D d, V x, const T (&c)[N]) {
  V p = hn::Set(d, c[0]);
  for (std::size_t i = 1; i < N; ++i) p = hn::Add(hn::Mul(p, x), hn::Set(d, c[i]));
  return p;
}

/// Adding and subtracting it rounds to an integer, to even; after the addition the integer is in the low
/// bits.
template <class T>
constexpr T kMagic = std::is_same_v<T, float> ? T{0x1.8p23} : static_cast<T>(0x1.8p52);

/// 2^n for the integer n in the low bits of kMagic + n.
template <class D, class V>
HWY_INLINE V power_of_two(D d, V magic_plus_n) {
  constexpr bool kFloat = std::is_same_v<Element<D>, float>;
  constexpr int kMantissa = kFloat ? 23 : 52;
  const hn::RebindToSigned<D> di;
  using I = hwy::MakeSigned<Element<D>>;
  const auto bias = hn::Set(di, static_cast<I>(I{kFloat ? 127 : 1023} << kMantissa));
  return hn::BitCast(d, hn::Add(hn::ShiftLeft<kMantissa>(hn::BitCast(di, magic_plus_n)), bias));
}

template <class T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
  static constexpr float kLimit = 105;             // beyond it the result is 0 or infinity
  static constexpr float kLn2High = 0.693359375f;  // 9 bits: n · kLn2High is exact
  static constexpr float kLn2Low = -2.12194440e-4f;
  // (e^r − 1 − r) / r² on |r| ≤ ln2/2: the polynomial of Cephes' expf (Moshier 1992).
  static constexpr float kPolynomial[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                          4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
};
template <>
struct ExpConstants<double> {
  static constexpr double kLimit = 750;
  static constexpr double kLn2High = 0x1.62e42feep-1;  // 32 bits
  static constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  // The Taylor series to r^13, whose remainder is below 5e-18.
  static constexpr double kPolynomial[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
                                           1.0 / 362880,     1.0 / 40320,     1.0 / 5040,     1.0 / 720,
                                           1.0 / 120,        1.0 / 24,        1.0 / 6,        1.0 / 2};
};

/// e^x. x = n·ln2 + r with |r| ≤ ln2/2, the reduction in two steps (Cody & Waite 1980).
template <class D, class V>
HWY_INLINE V exp(D d, V x) {
  using T = Element<D>;
  using C = ExpConstants<T>;
  const V limit = hn::Set(d, C::kLimit);
  const V lowest = hn::Set(d, -C::kLimit);
  x = hn::IfThenElse(hn::Gt(x, limit), limit, x);  // NaN stays NaN
  x = hn::IfThenElse(hn::Lt(x, lowest), lowest, x);
  const V magic = hn::Set(d, kMagic<T>);
  const V n = hn::Sub(hn::Add(hn::Mul(x, hn::Set(d, static_cast<T>(1.4426950408889634074))), magic), magic);
  const V r = hn::Sub(hn::Sub(x, hn::Mul(n, hn::Set(d, C::kLn2High))), hn::Mul(n, hn::Set(d, C::kLn2Low)));
  const V tail = hn::Mul(hn::Mul(r, r), polynomial(d, r, C::kPolynomial));
  const V p = hn::Add(hn::Add(tail, r), hn::Set(d, T{1}));
  // 2^n in two factors, so that results above and below the normal numbers are reached with one rounding.
  const V half = hn::Add(hn::Mul(n, hn::Set(d, T{0.5})), magic);
  const V rest = hn::Add(hn::Sub(n, hn::Sub(half, magic)), magic);
  return hn::Mul(hn::Mul(p, power_of_two(d, half)), power_of_two(d, rest));
}

/// e^(−|x|), and n with 1/(1 + e^−x) = n / (1 + e^−|x|).
template <class V>
struct Logistic {
  V numerator;
  V denominator;
};
template <class D, class V>
HWY_INLINE Logistic<V> logistic(D d, V x) {
  const V one = hn::Set(d, 1);
  const V e = exp(d, hn::Neg(hn::Abs(x)));
  return {hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e)};
}

/// Natural logarithm of floats. x = 2^e·m with √½ ≤ m < √2; the polynomial of Cephes' logf (Moshier 1992).
template <class D, class V>
HWY_INLINE V log(D d, V x) {
  static_assert(std::is_same_v<Element<D>, float>);
  constexpr float kPolynomial[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                                   -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                                   2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
  const hn::RebindToSigned<D> di;
  const V one = hn::Set(d, 1.0f);
  const auto small = hn::Lt(x, hn::Set(d, 0x1p-126f));  // below the normal numbers
  const V scaled = hn::IfThenElse(small, hn::Mul(x, hn::Set(d, 0x1p23f)), x);
  const auto bits = hn::BitCast(di, scaled);
  V e = hn::ConvertTo(d, hn::Sub(hn::ShiftRight<23>(bits), hn::Set(di, 126)));
  e = hn::Sub(e, hn::IfThenElse(small, hn::Set(d, 23.0f), hn::Zero(d)));
  V m = hn::BitCast(d, hn::Or(hn::And(bits, hn::Set(di, 0x007fffff)), hn::Set(di, 0x3f000000)));  // in [½, 1)
  const auto below = hn::Lt(m, hn::Set(d, 0.707106781186547524f));
  e = hn::Sub(e, hn::IfThenElse(below, one, hn::Zero(d)));
  m = hn::Sub(hn::IfThenElse(below, hn::Add(m, m), m), one);
  const V z = hn::Mul(m, m);
  V y = hn::Mul(hn::Mul(polynomial(d, m, kPolynomial), m), z);
  y = hn::Add(y, hn::Mul(e, hn::Set(d, ExpConstants<float>::kLn2Low)));
  y = hn::Sub(y, hn::Mul(z, hn::Set(d, 0.5f)));
  V result = hn::Add(hn::Add(m, y), hn::Mul(e, hn::Set(d, ExpConstants<float>::kLn2High)));
  // ∞ and NaN stay, 0 gives −∞, negative numbers NaN.
  const V infinity = hn::Set(d, std::numeric_limits<float>::infinity());
  result = hn::IfThenElse(hn::Lt(x, infinity), result, x);
  result = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(infinity), result);
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Set(d, std::numeric_limits<float>::quiet_NaN()), result);
}

/// Hyperbolic tangent of floats: a polynomial (of Cephes' tanhf) below 0.625, 1 − 2/(e^2|x| + 1) above.
template <class D, class V>
HWY_INLINE V tanh(D d, V x) {
  static_assert(std::is_same_v<Element<D>, float>);
  constexpr float kPolynomial[] = {-5.70498872745e-3f, 2.06390887954e-2f, -5.37397155531e-2f,
                                   1.33314422036e-1f, -3.33332819422e-1f};
  const V one = hn::Set(d, 1.0f);
  const V magnitude = hn::Abs(x);
  const V z = hn::Mul(x, x);
  const V small = hn::Add(hn::Mul(hn::Mul(polynomial(d, z, kPolynomial), z), x), x);
  const V e = exp(d, hn::Add(magnitude, magnitude));
  const V large = hn::Sub(one, hn::Div(hn::Set(d, 2.0f), hn::Add(e, one)));
  return hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0.625f)), small, hn::CopySign(large, x));
}

}  // namespace math
}  // namespace
}  // namespace sterna::STERNA_OPS_NAMESPACE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
