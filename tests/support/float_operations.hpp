// What tests of the float operations share.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string_view>

#include "kernels/kernel_table.hpp"
#include "support/exact_buffer.hpp"

namespace sterna::testing {

using Random = std::mt19937;
using Floats = ExactBuffer<float>;

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

inline void fill(Floats& values, Random& random, float deviation = 1.0f) {
  std::normal_distribution<float> normal(0.0f, deviation);
  for (float& v : values) v = normal(random);
}

/// Equal bits; any NaN equals any other.
inline void expect_same(const float* found, const float* expected, std::size_t n, std::string_view what) {
  for (std::size_t i = 0; i < n; ++i) {
    if (std::isnan(found[i]) && std::isnan(expected[i])) continue;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(found[i]), std::bit_cast<std::uint32_t>(expected[i]))
        << what << ": element " << i << " of " << n << ": " << found[i] << " for " << expected[i];
  }
}

class FloatOperations : public ::testing::TestWithParam<FloatKernels> {
 protected:
  void SetUp() override {
    if (!supported(GetParam().required)) GTEST_SKIP() << "not on this processor";
  }
  const FloatKernels kernels_ =
      supported(GetParam().required) ? select_float_kernels(GetParam().isa) : FloatKernels{};
  Random random_{7};
};

}  // namespace sterna::testing
