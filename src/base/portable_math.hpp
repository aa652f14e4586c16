// ln x and the sine and cosine of a part of a turn, with the same bits on every machine (exp.hpp has e^x).
// Additions, multiplications and divisions alone, so the build must not fuse them (cmake/flags.cmake).
#pragma once

#include <bit>
#include <cstdint>
#include <iterator>

namespace sterna {

/// ln x of a positive normal number, within 2 units in the last place. x = m·2^e with m in [√½, √2), and
/// ln m = 2·artanh(s) = 2·Σ s^(2k+1)/(2k+1) for s = (m − 1)/(m + 1), |s| < 0.172: what follows the term of
/// s^21 is below 2e-19.
inline double portable_log(double x) noexcept {
  constexpr double kLn2High = 0x1.62e42feep-1;  // 32 bits: e · kLn2High is exact
  constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  constexpr std::uint64_t kSqrtHalf = 0x3fe6a09e667f3bcd;
  const auto bits = std::bit_cast<std::uint64_t>(x);
  // Rounds the exponent so that what is left lies around 1.
  const auto e = static_cast<std::int64_t>(bits - kSqrtHalf) >> 52;
  const auto m = std::bit_cast<double>(bits - (static_cast<std::uint64_t>(e) << 52));
  const double s = (m - 1) / (m + 1);
  const double z = s * s;
  double p = 0;
  for (int k = 21; k >= 3; k -= 2) p = (p + 1.0 / k) * z;
  const double n = static_cast<double>(e);
  // 2s = (m − 1) − s·(m − 1), whose first part is exact: the rounding of s does not count.
  const double f = m - 1;
  return n * kLn2High + (f - (s * (f - 2 * p) - n * kLn2Low));
}

struct SinCos {
  double sin, cos;
};
/// Of the angle 2π·u for 0 ≤ u < 1, within 2^−52. The angle is brought to |θ| ≤ π/4 by whole quarters of the
/// turn, which is exact; then Taylor's polynomials to θ^17 and θ^16, whose next terms are below 5e-17 and
/// 3e-18.
inline SinCos portable_sincos_turn(double u) noexcept {
  constexpr double kTwoPi = 0x1.921fb54442d18p+2;
  const int quarter = static_cast<int>(u * 4 + 0.5);
  const double t = (u - quarter * 0.25) * kTwoPi;
  const double z = t * t;
  constexpr double kSin[] = {1.0 / 355687428096000, -1.0 / 1307674368000, 1.0 / 6227020800, -1.0 / 39916800,
                             1.0 / 362880,          -1.0 / 5040,          1.0 / 120,        -1.0 / 6};
  constexpr double kCos[] = {1.0 / 20922789888000, -1.0 / 87178291200, 1.0 / 479001600, -1.0 / 3628800,
                             1.0 / 40320,          -1.0 / 720,         1.0 / 24};
  double p = kSin[0];
  for (std::size_t i = 1; i < std::size(kSin); ++i) p = p * z + kSin[i];
  double q = kCos[0];
  for (std::size_t i = 1; i < std::size(kCos); ++i) q = q * z + kCos[i];
  const double sine = t + t * z * p;
  const double cosine = 1 - 0.5 * z + z * z * q;
  switch (quarter & 3) {
    case 0:
      return {sine, cosine};
    case 1:
      return {cosine, -sine};
    case 2:
      return {-sine, -cosine};
    default:
      return {-cosine, sine};
  }
}

}  // namespace sterna
