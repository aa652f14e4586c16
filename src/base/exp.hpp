// e^x with the same bits on every machine: C libraries differ in the last place.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace sterna {

/// e^x, within 2 units in the last place where the result is a normal number. Range reduction to |r| ≤ ln2/2
/// in two steps (Cody & Waite 1980), then the Taylor polynomial of degree 13, whose remainder is below 5e-18.
/// Multiplications and additions alone, so the build must not fuse them (cmake/flags.cmake).
inline double portable_exp(double x) noexcept {
  if (!(x == x)) return x;
  if (x > 709.79) return std::bit_cast<double>(std::uint64_t{0x7ff} << 52);
  if (x < -745.2) return 0.0;
  constexpr double kLog2E = 0x1.71547652b82fep+0;
  constexpr double kLn2High = 0x1.62e42feep-1;  // 32 bits: n · kLn2High is exact
  constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  constexpr double kMagic = 0x1.8p52;  // pushes the fraction out of the mantissa: rounds to even
  const double n = (x * kLog2E + kMagic) - kMagic;
  const double r = (x - n * kLn2High) - n * kLn2Low;
  constexpr double kInverseFactorials[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
                                           1.0 / 362880,     1.0 / 40320,     1.0 / 5040,     1.0 / 720,
                                           1.0 / 120,        1.0 / 24,        1.0 / 6,        1.0 / 2};
  double p = kInverseFactorials[0];
  for (std::size_t i = 1; i < std::size(kInverseFactorials); ++i) p = p * r + kInverseFactorials[i];
  p = 1.0 + (r + r * r * p);
  // 2^n in two factors, so that results below the normal numbers are reached with one rounding.
  const auto whole = static_cast<std::int64_t>(n);
  const std::int64_t first = whole / 2;
  const auto power = [](std::int64_t e) {
    return std::bit_cast<double>(static_cast<std::uint64_t>(e + 1023) << 52);
  };
  return p * power(first) * power(whole - first);
}

}  // namespace sterna
