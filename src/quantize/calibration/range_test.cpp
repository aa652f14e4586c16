#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "quantize/calibration/statistics.hpp"
#include "sterna/error.hpp"
#include "sterna/random.hpp"

namespace sterna {
namespace {

InputStatistics statistics_of(const std::vector<float>& values) {
  ThreadPool pool(1);
  StatisticsGatherer gatherer(pool, 1);
  InputStatistics sums = start_statistics("x", values.size(), false);
  GramRows pending(0);
  gatherer.add(sums, pending, values.data(), 1);
  finish_statistics(sums);
  return sums;
}

std::vector<float> normal(std::int64_t n) {
  const Tensor tensor = Random(7).normal({n});
  return {tensor.data<float>(), tensor.data<float>() + n};
}

double squared_error(const std::vector<float>& values, double c, double levels) {
  const double step = c / levels;
  double error = 0;
  for (const float x : values) {
    const double d = x - step * std::clamp(std::nearbyint(x / step), -levels, levels);
    error += d * d;
  }
  return error / static_cast<double>(values.size());
}

TEST(Range, PercentilesAreThoseOfTheValues) {
  auto values = normal(100'000);
  const InputStatistics input = statistics_of(values);
  for (float& x : values) x = std::abs(x);
  std::ranges::sort(values);
  for (const double share : {0.01, 0.5, 0.9, 0.999, 0.9999}) {
    const double exact = values[static_cast<std::size_t>(share * 99'999)];
    EXPECT_NEAR(magnitude_percentile(input, share), exact, 0.035 * exact) << share;
  }
  EXPECT_EQ(magnitude_percentile(input, 1), values.back());
  EXPECT_EQ(clip_range(input, ClipRule::Percentile), magnitude_percentile(input, 0.9999));
  EXPECT_EQ(clip_range(input, ClipRule::MinMax), values.back());
}

TEST(Range, OfTheLeastErrorIsFoundToABinsWidth) {
  const auto values = normal(50'000);
  const InputStatistics input = statistics_of(values);
  for (const unsigned bits : {2u, 3u, 4u, 6u, 8u}) {
    const double levels = (1 << (bits - 1)) - 1;
    const double most = clip_range(input, ClipRule::MinMax, bits);
    double best = most;
    for (double c = 0.02 * most; c <= most; c += 0.005 * most) {
      if (squared_error(values, c, levels) < squared_error(values, best, levels)) best = c;
    }
    const double found = clip_range(input, ClipRule::Mse, bits);
    EXPECT_LE(squared_error(values, found, levels), 1.01 * squared_error(values, best, levels)) << bits;
  }
}

TEST(Range, AnOutlierIsClippedByAllButMinMax) {
  auto values = normal(200'000);
  values[77] = 100;
  const InputStatistics input = statistics_of(values);
  EXPECT_EQ(clip_range(input, ClipRule::MinMax), 100);
  EXPECT_LT(clip_range(input, ClipRule::Percentile), 5);
  EXPECT_LT(clip_range(input, ClipRule::Mse, 4), 10);
  EXPECT_LT(clip_range(input, ClipRule::Entropy), 10);
}

TEST(Range, EveryRuleHasANameAndAnswersEveryInput) {
  for (const ClipRule rule : {ClipRule::MinMax, ClipRule::Percentile, ClipRule::Mse, ClipRule::Entropy}) {
    EXPECT_EQ(clip_rule_from_name(to_string(rule)), rule);
    EXPECT_EQ(clip_range(statistics_of({0, 0, 0}), rule), 0);
    EXPECT_NEAR(clip_range(statistics_of({2, -2, 2}), rule), 2, 0.07);
    EXPECT_GT(clip_range(statistics_of({1e-30f, 1e30f, 1}), rule), 0);
    EXPECT_THROW(clip_range(statistics_of({1}), rule, 1), Error);
    EXPECT_THROW(clip_range(statistics_of({1}), rule, 9), Error);
  }
  EXPECT_EQ(clip_rule_from_name("best"), std::nullopt);
}

TEST(Outliers, AreChannelsFarAboveTheMedian) {
  std::vector<float> values(100, 1.0f);
  values[3] = -30;
  values[60] = 80;
  values[61] = 5;
  const auto found = outliers(statistics_of(values), 6);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].channel, 60u);
  EXPECT_EQ(found[0].ratio, 80);
  EXPECT_EQ(found[1].channel, 3u);
  EXPECT_EQ(found[1].most, 30);
}

TEST(CalibrationOf, FindsWhatALayerReads) {
  Calibration calibration;
  for (const char* name : {"blk.1.attn_in", "blk.11.attn_in", "blk.1.down_in", "blk.2.attn_q"}) {
    calibration.inputs.emplace_back();
    calibration.inputs.back().name = name;
  }
  EXPECT_EQ(calibration.of("blk.1.attn_k"), &calibration.inputs[0]);
  EXPECT_EQ(calibration.of("blk.11.attn_q"), &calibration.inputs[1]);
  EXPECT_EQ(calibration.of("blk.1.ffn_down"), &calibration.inputs[2]);
  EXPECT_EQ(calibration.of("blk.2.attn_q"), &calibration.inputs[3]);  // of its own
  for (const char* name : {"blk.2.attn_k", "blk.1.ffn_up", "output", "", "blk.1.", "attn_q"})
    EXPECT_EQ(calibration.of(name), nullptr) << name;
}

}  // namespace
}  // namespace sterna
