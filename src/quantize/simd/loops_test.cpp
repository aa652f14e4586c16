// The loops in vectors against the reference, bit for bit, at every length and with every kind of float.
#include "quantize/simd/loops.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "sterna/random.hpp"
#include "support/exact_buffer.hpp"

namespace sterna::quant {
namespace {

constexpr std::size_t kLongest = 300;
using Floats = testing::ExactBuffer<float>;
using Codes = testing::ExactBuffer<std::int8_t>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kSpecial[] = {0.0f,   -0.0f,       0.5f,    -0.5f,  1.5f,      -1.5f,      2.5f,
                              1e-45f, -1e-40f,     1e38f,   -3e38f, kInfinity, -kInfinity, kNan,
                              -kNan,  0.49999997f, -127.5f, 127.5f, 126.5f,    -128.5f};

Floats floats(std::size_t n, std::minstd_rand& random, bool special) {
  Floats x(n);
  std::normal_distribution<float> normal;
  for (float& v : x)
    v = special && random() % 3 == 0 ? kSpecial[random() % std::size(kSpecial)] : normal(random);
  return x;
}

template <class T>
void expect_same_bytes(const testing::ExactBuffer<T>& a, const testing::ExactBuffer<T>& b,
                       const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  if (a.size() != 0) {
    ASSERT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(T)), 0) << what << ", " << a.size();
  }
}

/// f(length, input) for every length, with and without special values.
template <class F>
void at_every_length(F f) {
  std::minstd_rand random(1);
  for (std::size_t n = 0; n <= kLongest; ++n) {
    for (const bool special : {false, true}) f(n, floats(n, random, special));
  }
}

constexpr std::array kGrids{
    CodeGrid{1.0f, -127, 127, 0}, CodeGrid{40.0f, -128, 127, 0}, CodeGrid{7.3f, -7, 7, 0},
    CodeGrid{0.5f, -3, 12, -5},   CodeGrid{1e30f, -1, 1, 0},     CodeGrid{kInfinity, -8, 7, 0},
    CodeGrid{2.0f, -200, 55, 72},
};

void expect_same_sums(const Floats& x) {
  testing::ExactBuffer<double> found(kSumLanes);
  testing::ExactBuffer<double> expected(kSumLanes);
  for (std::size_t i = 0; i < kSumLanes; ++i) found[i] = expected[i] = 0.1 * static_cast<double>(i);
  loops().magnitude_sums(x.data(), x.size(), found.data());
  scalar_loops().magnitude_sums(x.data(), x.size(), expected.data());
  for (std::size_t i = 0; i < kSumLanes; ++i) {  // which NaN a sum of NaNs is, nobody promises
    if (!std::isnan(expected[i])) {
      ASSERT_EQ(found[i], expected[i]) << x.size();
    }
    ASSERT_EQ(std::isnan(found[i]), std::isnan(expected[i])) << x.size();
  }
}

TEST(QuantLoops, MagnitudeSums) {
  at_every_length([](std::size_t, const Floats& x) { expect_same_sums(x); });
}

TEST(QuantLoops, MagnitudeSumsOfEveryExponent) {
  std::minstd_rand random(5);
  // Subnormal, all finite ones, and those whose sums are beyond every float.
  constexpr std::pair<std::uint32_t, std::uint32_t> kExponents[] = {{0, 0}, {0, 254}, {250, 254}};
  for (const auto& [least, most] : kExponents) {
    for (std::size_t n = 0; n <= kLongest; ++n) {
      Floats x(n);
      for (float& v : x) {
        const auto draw = static_cast<std::uint32_t>(random());
        const auto exponent = least + static_cast<std::uint32_t>(random() % (most - least + 1));
        v = std::bit_cast<float>((draw << 8 & 0x80000000) | (exponent << 23) | (draw & 0x7fffff));
      }
      expect_same_sums(x);
    }
  }
}

TEST(QuantLoops, Maxima) {
  at_every_length([](std::size_t n, const Floats& x) {
    const float found = loops().max_magnitude(x.data(), n);
    const float expected = scalar_loops().max_magnitude(x.data(), n);
    ASSERT_EQ(std::memcmp(&found, &expected, sizeof found), 0) << n;
    bool nan = false;
    float most = 0;
    for (const float v : x) {
      nan |= std::isnan(v);
      most = std::max(most, std::abs(v));
    }
    ASSERT_EQ(std::isnan(found), nan);
    if (!nan) {
      ASSERT_EQ(found, most);
    }
    const Extremes range = loops().extremes(x.data(), n);
    const Extremes reference = scalar_loops().extremes(x.data(), n);
    ASSERT_EQ(std::memcmp(&range, &reference, sizeof range), 0) << n;
  });
}

TEST(QuantLoops, Trits) {
  at_every_length([](std::size_t n, const Floats& x) {
    Codes found(n);
    Codes expected(n);
    for (const float threshold : {0.0f, 0.5f, 1e-42f, 3e38f, kInfinity}) {
      loops().ternarize(x.data(), n, threshold, found.data());
      scalar_loops().ternarize(x.data(), n, threshold, expected.data());
      expect_same_bytes(found, expected, "ternarize");
    }
    loops().signs(x.data(), n, found.data());
    scalar_loops().signs(x.data(), n, expected.data());
    expect_same_bytes(found, expected, "signs");
  });
}

TEST(QuantLoops, CodesAndBack) {
  std::minstd_rand random(3);
  at_every_length([&](std::size_t n, const Floats& x) {
    Codes found(n);
    Codes expected(n);
    Floats units(n);
    for (float& u : units) u = static_cast<float>(random() % 1000) / 1000;
    for (const CodeGrid& grid : kGrids) {
      loops().encode(x.data(), n, grid, found.data());
      scalar_loops().encode(x.data(), n, grid, expected.data());
      expect_same_bytes(found, expected, "encode");
      loops().encode_stochastic(x.data(), n, grid, units.data(), found.data());
      scalar_loops().encode_stochastic(x.data(), n, grid, units.data(), expected.data());
      expect_same_bytes(found, expected, "encode_stochastic");
      Floats values(n);
      Floats reference(n);
      loops().decode(found.data(), n, 0.37f, grid.zero, values.data());
      scalar_loops().decode(found.data(), n, 0.37f, grid.zero, reference.data());
      expect_same_bytes(values, reference, "decode");
    }
  });
}

TEST(QuantLoops, HalvesGoToEven) {
  const float x[] = {0.5f,        1.5f,   2.5f,   -0.5f,   -1.5f, -2.5f,
                     0.49999997f, 126.5f, 127.5f, -128.5f, kNan,  -0.0f};
  const std::int8_t wanted[] = {0, 2, 2, 0, -2, -2, 0, 126, 127, -128, -128, 0};
  std::int8_t codes[std::size(x)];
  for (const Loops* each : {&loops(), &scalar_loops()}) {
    each->encode(x, std::size(x), {1, -128, 127, 0}, codes);
    for (std::size_t i = 0; i < std::size(x); ++i) EXPECT_EQ(codes[i], wanted[i]) << x[i];
  }
}

TEST(QuantLoops, UnitsAreThoseOfPhilox) {
  std::minstd_rand random(4);
  for (std::size_t n = 0; n <= kLongest; ++n) {
    const std::uint64_t seed = std::uint64_t{random()} << 31 ^ random();
    // Beyond 2^34 elements the number of a block takes both words.
    const std::uint64_t first = n % 2 ? n % 11 : (std::uint64_t{1} << 34) - n % 40;
    Floats found(n);
    Floats expected(n);
    loops().random_units(seed, first, n, found.data());
    scalar_loops().random_units(seed, first, n, expected.data());
    expect_same_bytes(found, expected, "random_units");
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t block = (first + i) / 4;
      const auto words =
          philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), 0, 0},
                 {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
      ASSERT_EQ(found[i], std::ldexp(static_cast<double>(words[(first + i) % 4] >> 8), -24));
    }
  }
}

}  // namespace
}  // namespace sterna::quant
