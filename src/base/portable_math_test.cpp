#include "base/portable_math.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sterna {
namespace {

TEST(PortableMath, LogIsWithinTwoUnits) {
  EXPECT_EQ(portable_log(1), 0);
  for (int i = 0; i < 200000; ++i) {
    const double x = std::ldexp(1 + (i * 0x1p-18) * 0.9999, i % 2000 - 1000);
    const double exact = std::log(x);
    const double unit =
        std::nextafter(std::abs(exact), std::numeric_limits<double>::infinity()) - std::abs(exact);
    ASSERT_LE(std::abs(portable_log(x) - exact), 2 * unit) << x;
  }
}

TEST(PortableMath, SineAndCosineOfATurn) {
  constexpr double kTwoPi = 6.283185307179586;
  for (int i = 0; i < 200000; ++i) {
    const double u = i / 200000.0;
    const SinCos found = portable_sincos_turn(u);
    // The angle itself is rounded where it is given to the C library: 2^−51 at most.
    ASSERT_NEAR(found.sin, std::sin(kTwoPi * u), 0x1p-50) << u;
    ASSERT_NEAR(found.cos, std::cos(kTwoPi * u), 0x1p-50) << u;
  }
  for (const double u : {0.0, 0.25, 0.5, 0.75}) {  // quarters are exact
    EXPECT_EQ(std::abs(portable_sincos_turn(u).sin) + std::abs(portable_sincos_turn(u).cos), 1);
  }
}

}  // namespace
}  // namespace sterna
