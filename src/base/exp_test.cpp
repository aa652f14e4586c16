#include "base/exp.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sterna {
namespace {

TEST(PortableExp, AgreesWithTheLibraryToTwoUnitsInTheLastPlace) {
  double worst = 0;
  for (int i = -708 * 64; i <= 709 * 64; ++i) {
    const double x = i / 64.0 + i * 1e-7;
    const double exact = std::exp(x);
    const double unit = std::nextafter(exact, std::numeric_limits<double>::infinity()) - exact;
    worst = std::max(worst, std::abs(portable_exp(x) - exact) / unit);
  }
  EXPECT_LE(worst, 2.0);
}

TEST(PortableExp, Ends) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(portable_exp(0.0), 1.0);
  EXPECT_EQ(portable_exp(-0.0), 1.0);
  EXPECT_EQ(portable_exp(-infinity), 0.0);
  EXPECT_EQ(portable_exp(infinity), infinity);
  EXPECT_EQ(portable_exp(800.0), infinity);
  EXPECT_EQ(portable_exp(709.785), infinity);
  EXPECT_EQ(portable_exp(-800.0), 0.0);
  EXPECT_TRUE(std::isnan(portable_exp(std::numeric_limits<double>::quiet_NaN())));
  EXPECT_NEAR(portable_exp(-740.0) / std::exp(-740.0), 1.0, 0.02);  // subnormal: few bits are left
}

TEST(PortableExp, TheBitsAreFixed) {
  EXPECT_EQ(std::bit_cast<std::uint64_t>(portable_exp(1.0)), 4613303445314885482u);
  EXPECT_EQ(std::bit_cast<std::uint64_t>(portable_exp(-1.0)), 4600298746774613816u);
  EXPECT_EQ(std::bit_cast<std::uint64_t>(portable_exp(-12.345)), 4526751318660336514u);
  EXPECT_EQ(std::bit_cast<std::uint64_t>(portable_exp(300.7)), 6560679320262207298u);
}

}  // namespace
}  // namespace sterna
