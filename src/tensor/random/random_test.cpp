#include "sterna/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>

#include "sterna/error.hpp"
#include "sterna/manipulation.hpp"
#include "sterna/ops.hpp"

namespace sterna {
namespace {

using Words = std::array<std::uint32_t, 4>;

// Seeds are fixed, so these tests give the same every time. Their bounds would be passed by chance with a
// probability below 1e-6 for each statistic.
constexpr double kSigmas = 5;  // |z| of a normally distributed statistic

template <class F>
std::optional<ErrorCategory> category_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.category();
  }
  return std::nullopt;
}

/// χ² of counts against equal (or given) shares, in standard deviations: (χ² − d)/√(2d) for d degrees.
double chi_square(const std::vector<std::int64_t>& counts, std::vector<double> shares = {}) {
  const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  if (shares.empty()) shares.assign(counts.size(), 1.0 / static_cast<double>(counts.size()));
  double sum = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double expected = shares[i] * total;
    sum +=
        (static_cast<double>(counts[i]) - expected) * (static_cast<double>(counts[i]) - expected) / expected;
  }
  const auto degrees = static_cast<double>(counts.size() - 1);
  return (sum - degrees) / std::sqrt(2 * degrees);
}
// The tail of χ² is longer than a normal one's.
constexpr double kChiSigmas = 7;

TEST(Philox, KnownAnswers) {
  // From the authors' Random123 library (kat_vectors, philox4x32 10).
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, ANumberDependsOnItsPlaceAlone) {
  const Tensor many = Random(7).normal({1001});
  const Tensor few = Random(7).normal({10});
  EXPECT_EQ(few.to_vector<float>(), many.slice(0, {0, 10}).to_vector<float>());
  EXPECT_EQ(Random(7).normal({7, 143}).to_vector<float>(), many.to_vector<float>());
  EXPECT_EQ(Random(7).integers({3}, 0, 1000).to_vector<std::int64_t>(),
            Random(7).integers({9}, 0, 1000).slice(0, {0, 3}).to_vector<std::int64_t>());
}

TEST(Random, GoesOnFromSeedAndDraws) {
  Random first(5);
  first.uniform({3});
  first.permutation(4);
  EXPECT_EQ(first.draws(), 2U);
  Random second(first.seed(), first.draws());
  const auto next = first.uniform({8}).to_vector<float>();
  EXPECT_EQ(second.uniform({8}).to_vector<float>(), next);
  EXPECT_NE(first.uniform({8}).to_vector<float>(), next);
  EXPECT_NE(Random(6, 2).uniform({8}).to_vector<float>(), next);
  EXPECT_EQ(category_of([] { Random(0, std::uint64_t{1} << 32).uniform({1}); }), ErrorCategory::Limit);
}

TEST(Random, UniformIsEven) {
  for (const DType dtype : {DType::F64, DType::F32, DType::F16, DType::BF16}) {
    const Tensor x = Random(11).uniform({1 << 18}, 0, 1, dtype);
    const std::vector<float> values = x.to(DType::F32).to_vector<float>();
    std::vector<std::int64_t> counts(256);  // as many as BF16 has
    for (const float value : values) {
      ASSERT_TRUE(value >= 0 && (value < 1 || dtype == DType::F64));  // a double may round up to 1 here
      ++counts[std::min<std::size_t>(static_cast<std::size_t>(value * 256), 255)];
    }
    EXPECT_LT(std::abs(chi_square(counts)), kChiSigmas) << name(dtype);
    // Neighbours: their product has mean ¼, and a variance of 1/9 − 1/16 over n/2 pairs.
    double products = 0;
    for (std::size_t i = 0; i + 1 < values.size(); i += 2)
      products += (values[i] - 0.498) * (values[i + 1] - 0.498);
    const auto pairs = static_cast<double>(values.size() / 2);
    EXPECT_LT(std::abs(products / pairs), kSigmas / 12 / std::sqrt(pairs) + 4e-6 + 4e-6);
  }
  EXPECT_TRUE(all(less(Random(1).uniform({4096}, 0, 1, DType::F64), 1.0)).item<bool>());
}

TEST(Random, UniformStaysBelowHigh) {
  const float high = std::nextafter(16777216.0F, 2e7F);  // two numbers to choose from, and none between
  const Tensor x = Random(3).uniform({1000}, 16777216, high, DType::F32);
  EXPECT_TRUE(all(equal(x, 16777216.0)).item<bool>());
  const Tensor y = Random(3).uniform({1000}, -3, -2, DType::F16);
  EXPECT_TRUE(all(logical_and(greater_equal(y, -3), less(y, -2))).item<bool>());
}

TEST(Random, NormalIsNormal) {
  const std::int64_t n = 1 << 18;
  std::vector<double> z = Random(13).normal({n}, 0, 1, DType::F64).to_vector<double>();
  double moments[5] = {};
  for (const double value : z) {
    for (int k = 1; k <= 4; ++k) moments[k] += std::pow(value, k) / static_cast<double>(n);
  }
  const double unit = kSigmas / std::sqrt(static_cast<double>(n));
  EXPECT_LT(std::abs(moments[1]), unit);
  EXPECT_LT(std::abs(moments[2] - 1), unit * std::sqrt(2.0));   // var z² = 2
  EXPECT_LT(std::abs(moments[3]), unit * std::sqrt(15.0));      // var z³ = 15
  EXPECT_LT(std::abs(moments[4] - 3), unit * std::sqrt(96.0));  // var z⁴ = 105 − 9
  // Kolmogorov and Smirnov: √n·D exceeds 2.7 with a probability of 2·e^(−2·2.7²) < 1e-6.
  std::sort(z.begin(), z.end());
  double distance = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double below = std::erfc(-z[static_cast<std::size_t>(i)] / std::sqrt(2.0)) / 2;
    distance = std::max({distance, std::abs(below - static_cast<double>(i) / static_cast<double>(n)),
                         std::abs(below - static_cast<double>(i + 1) / static_cast<double>(n))});
  }
  EXPECT_LT(distance * std::sqrt(static_cast<double>(n)), 2.7);
}

TEST(Random, NormalScalesAndRounds) {
  const Tensor exact = Random(17).normal({101}, 3, 0.25, DType::F64);
  EXPECT_TRUE(all(equal(Random(17).normal({101}, 3, 0.25, DType::F32), exact.to(DType::F32))).item<bool>());
  EXPECT_TRUE(all(equal(Random(17).normal({101}, 3, 0.25, DType::BF16), exact.to(DType::BF16))).item<bool>());
}

TEST(Random, TheSameOnEveryMachine) {
  // As a few lines of Python give them too; tests/cross compares more of them with aarch64.
  Random random(0x0123456789abcdef);
  const auto uniform = random.uniform({3}, 0, 1, DType::F64).to_vector<double>();
  const auto normal = random.normal({3}, 0, 1, DType::F64).to_vector<double>();
  const auto integers = random.integers({3}, -1000000, 1000000).to_vector<std::int64_t>();
  std::string bits;
  for (const double x : uniform) bits += std::to_string(std::bit_cast<std::uint64_t>(x)) + ' ';
  for (const double x : normal) bits += std::to_string(std::bit_cast<std::uint64_t>(x)) + ' ';
  for (const std::int64_t x : integers) bits += std::to_string(x) + ' ';
  EXPECT_EQ(bits,
            "4605125876948339204 4602293165440182760 4599458913890038404 "
            "13837001745804607998 4610054007485817369 4599626075759866546 -254749 -74273 346460 ");
}

TEST(Random, IntegersAreUnbiased) {
  // Of 3·2^61 numbers a remainder would give the lower half of the interval 5/4 times as often as is due.
  const std::int64_t range = 3 * (std::int64_t{1} << 61);
  std::vector<std::int64_t> counts(12);
  for (const std::int64_t x : Random(19).integers({1 << 17}, 0, range).to_vector<std::int64_t>()) {
    ASSERT_TRUE(x >= 0 && x < range);
    ++counts[static_cast<std::size_t>(x / (range / 12))];
  }
  EXPECT_LT(std::abs(chi_square(counts)), kChiSigmas);
  counts.assign(7, 0);
  for (const std::int8_t x : Random(23).integers({1 << 17}, -3, 4, DType::I8).to_vector<std::int8_t>())
    ++counts.at(static_cast<std::size_t>(x + 3));
  EXPECT_LT(std::abs(chi_square(counts)), kChiSigmas);
}

TEST(Random, IntegersReachTheEndsOfTypes) {
  constexpr auto kLowest = std::numeric_limits<std::int64_t>::min();
  constexpr auto kHighest = std::numeric_limits<std::int64_t>::max();
  const auto wide = Random(29).integers({1000}, kLowest, kHighest).to_vector<std::int64_t>();
  EXPECT_TRUE(std::any_of(wide.begin(), wide.end(), [](auto x) { return x < kLowest / 2; }));
  EXPECT_TRUE(std::any_of(wide.begin(), wide.end(), [](auto x) { return x > kHighest / 2; }));
  const auto bytes = Random(31).integers({20000}, 0, 256, DType::U8);
  EXPECT_EQ(min(bytes).item<int>(), 0);
  EXPECT_EQ(max(bytes).item<int>(), 255);
  EXPECT_EQ(category_of([] { Random(1).integers({1}, 0, 257, DType::U8); }), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of([] { Random(1).integers({1}, -129, 0, DType::I8); }), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of([] { Random(1).integers({1}, 5, 5); }), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of([] { Random(1).integers({1}, 0, 5, DType::F32); }), ErrorCategory::Unsupported);
}

TEST(Random, Bernoulli) {
  const std::int64_t n = 1 << 17;
  for (const double p : {0.5, 0.1, 0.999}) {
    const auto hits = static_cast<double>(count_nonzero(Random(37).bernoulli({n}, p)).item<std::int64_t>());
    EXPECT_LT(std::abs(hits - p * static_cast<double>(n)),
              kSigmas * std::sqrt(static_cast<double>(n) * p * (1 - p)));
  }
  EXPECT_TRUE(all(Random(1).bernoulli({1000}, 1)).item<bool>());
  EXPECT_FALSE(any(Random(1).bernoulli({1000}, 0)).item<bool>());
  EXPECT_EQ(category_of([] { Random(1).bernoulli({1}, 1.5); }), ErrorCategory::InvalidArgument);
}

TEST(Random, EveryOrderIsAsLikely) {
  Random random(41);
  std::map<std::vector<std::int64_t>, std::int64_t> orders;
  for (int i = 0; i < 24000; ++i) ++orders[random.permutation(4).to_vector<std::int64_t>()];
  ASSERT_EQ(orders.size(), 24U);
  std::vector<std::int64_t> counts;
  for (const auto& [order, count] : orders) counts.push_back(count);
  EXPECT_LT(std::abs(chi_square(counts)), kChiSigmas);
  EXPECT_EQ(random.permutation(0).size(), 0);
  EXPECT_EQ(sort(random.permutation(1000)).to_vector<std::int64_t>(),
            Tensor::arange(1000).to_vector<std::int64_t>());
}

TEST(Random, ShufflesAnAxis) {
  const Tensor x = Tensor::arange(60).reshape({3, 20});
  const Tensor view = x.transpose();
  Random(43).shuffle_(view, 0);
  EXPECT_EQ(sort(x, 1).to_vector<std::int64_t>(), Tensor::arange(60).to_vector<std::int64_t>());
  EXPECT_TRUE(all(equal(subtract(x.select(0, 1), x.select(0, 0)), 20)).item<bool>());  // whole columns move
  EXPECT_FALSE(all(equal(x.select(0, 0), Tensor::arange(20))).item<bool>());
}

TEST(Random, ChoiceFollowsTheWeights) {
  const Tensor weights = Tensor::from<float>({1, 0, 2, 5});
  std::vector<std::int64_t> counts(4);
  for (const std::int64_t i : Random(47).choice(4, {1 << 16}, true, weights).to_vector<std::int64_t>())
    ++counts.at(static_cast<std::size_t>(i));
  EXPECT_EQ(counts[1], 0);
  EXPECT_LT(std::abs(chi_square({counts[0], counts[2], counts[3]}, {0.125, 0.25, 0.625})), kChiSigmas);

  // Two different ones: i first with w_i/8, then j with w_j/(8 − w_i).
  Random random(53);
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> pairs;
  for (int i = 0; i < 20000; ++i) {
    const auto two = random.choice(4, {2}, false, weights).to_vector<std::int64_t>();
    ++pairs[{two[0], two[1]}];
  }
  counts.clear();
  std::vector<double> shares;
  const double w[] = {1, 0, 2, 5};
  for (const auto& [pair, count] : pairs) {
    counts.push_back(count);
    shares.push_back(w[pair.first] / 8 * w[pair.second] / (8 - w[pair.first]));
  }
  ASSERT_EQ(counts.size(), 6U);
  EXPECT_LT(std::abs(chi_square(counts, shares)), kChiSigmas);
}

TEST(Random, ChoiceWithoutReplacement) {
  const auto chosen = sort(Random(59).choice(50, {5, 10}, false), {}).to_vector<std::int64_t>();
  EXPECT_EQ(chosen, Tensor::arange(50).to_vector<std::int64_t>());
  EXPECT_EQ(category_of([] { Random(1).choice(3, {4}, false); }), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of([] { Random(1).choice(0, {1}); }), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of([] {
              Random(1).choice(2, {1}, true, Tensor::from<float>({1, -1}));
            }),
            ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of([] { Random(1).choice(2, {1}, true, Tensor::from<float>({1})); }),
            ErrorCategory::Mismatch);
  EXPECT_EQ(category_of([] {
              Random(1).choice(2, {2}, false, Tensor::from<float>({1, 0}));
            }),
            ErrorCategory::InvalidArgument);
  EXPECT_EQ(Random(1).choice(0, {0}).size(), 0);
}

}  // namespace
}  // namespace sterna
