#include "quantize/calibration/statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "sterna/error.hpp"
#include "sterna/random.hpp"

namespace sterna {
namespace {

std::vector<float> normal_rows(std::size_t tokens, std::size_t channels, std::uint64_t seed = 1) {
  const Tensor tensor =
      Random(seed).normal({static_cast<std::int64_t>(tokens), static_cast<std::int64_t>(channels)}, 0.5, 2);
  return {tensor.data<float>(), tensor.data<float>() + tensor.size()};
}

/// Windows of `window` rows each, added in batches.
InputStatistics gathered(const std::vector<float>& rows, std::size_t channels, unsigned threads,
                         std::size_t batch, std::size_t window) {
  ThreadPool pool(threads);
  StatisticsGatherer gatherer(pool, batch);
  InputStatistics sums = start_statistics("x", channels, true);
  GramRows pending(channels);
  const std::size_t tokens = rows.size() / channels;
  for (std::size_t begin = 0; begin < tokens; begin += window) {
    const std::size_t end = std::min(begin + window, tokens);
    for (std::size_t at = begin; at < end; at += batch)
      gatherer.add(sums, pending, rows.data() + at * channels, std::min(batch, end - at));
    gatherer.end_window(sums, pending);
  }
  finish_statistics(sums);
  return sums;
}

TEST(Statistics, AreThoseOfTheDefinition) {
  const std::size_t tokens = 150, channels = 37;  // no whole panel, no whole chunk of rows
  const auto rows = normal_rows(tokens, channels);
  const InputStatistics found = gathered(rows, channels, 2, 40, 100);
  long double sum = 0;
  for (const float x : rows) sum += x;
  const auto n = static_cast<long double>(rows.size());
  const long double mean = sum / n;
  long double m2 = 0, m3 = 0, m4 = 0;
  std::uint64_t counted = 0;
  for (const float x : rows) {
    const long double d = x - mean;
    m2 += d * d / n;
    m3 += d * d * d / n;
    m4 += d * d * d * d / n;
  }
  EXPECT_NEAR(found.mean, static_cast<double>(mean), 1e-12);
  EXPECT_NEAR(found.variance, static_cast<double>(m2), 1e-11);
  EXPECT_NEAR(found.skewness, static_cast<double>(m3 / std::pow(m2, 1.5L)), 1e-11);
  EXPECT_NEAR(found.kurtosis, static_cast<double>(m4 / (m2 * m2)), 1e-11);
  EXPECT_EQ(found.least, *std::ranges::min_element(rows));
  EXPECT_EQ(found.most, *std::ranges::max_element(rows));
  double low = 0, high = 0;
  for (std::size_t t = 0; t < tokens; ++t) {
    const auto [least, most] =
        std::minmax_element(rows.begin() + t * channels, rows.begin() + (t + 1) * channels);
    low = t == 0 ? *least : 0.99 * low + 0.01 * *least;
    high = t == 0 ? *most : 0.99 * high + 0.01 * *most;
  }
  EXPECT_NEAR(found.ema_least, low, 1e-12);
  EXPECT_NEAR(found.ema_most, high, 1e-12);
  for (const std::uint64_t count : found.magnitude_counts) counted += count;
  EXPECT_EQ(counted, rows.size());
  for (std::size_t i = 0; i < channels; ++i) {
    double square = 0;
    float most = 0;
    for (std::size_t t = 0; t < tokens; ++t) {
      const float x = rows[t * channels + i];
      square += double{x} * x / static_cast<double>(tokens);
      most = std::max(most, std::abs(x));
    }
    EXPECT_NEAR(found.second_moments[i], square, 1e-11);
    EXPECT_EQ(found.channel_most[i], most);
    for (std::size_t j = 0; j < channels; ++j) {
      double product = 0;
      for (std::size_t t = 0; t < tokens; ++t)
        product += double{rows[t * channels + i]} * rows[t * channels + j] / static_cast<double>(tokens);
      // Float sums of 150 products of magnitude up to 30.
      ASSERT_NEAR(found.gram[i * channels + j], product, 2e-5) << i << ' ' << j;
    }
  }
}

TEST(Statistics, ThreadsAndBatchesChangeNoBit) {
  const std::size_t channels = 53;
  const auto rows = normal_rows(200, channels);
  const InputStatistics expected = gathered(rows, channels, 1, 100, 100);
  for (const unsigned threads : {1u, 2u, 3u}) {
    for (const std::size_t batch : {1, 7, 64, 100}) {
      const InputStatistics found = gathered(rows, channels, threads, batch, 100);
      EXPECT_EQ(found.magnitude_counts, expected.magnitude_counts);
      EXPECT_EQ(found.second_moments, expected.second_moments);
      EXPECT_EQ(found.channel_most, expected.channel_most);
      EXPECT_EQ(found.gram, expected.gram);
      EXPECT_EQ(found.kurtosis, expected.kurtosis);
      EXPECT_EQ(found.ema_least, expected.ema_least);
    }
  }
}

TEST(Statistics, TheGramSumHasTheOrderOfTheLoop) {
  const std::size_t channels = 40, tokens = 64;
  const auto rows = normal_rows(tokens, channels, 3);
  const InputStatistics found = gathered(rows, channels, 2, 64, 64);
  for (std::size_t i = 0; i < channels; ++i) {
    for (std::size_t j = i; j < channels; ++j) {
      float sum = 0;  // -ffp-contract=off: the product is rounded
      for (std::size_t t = 0; t < tokens; ++t) sum += rows[t * channels + i] * rows[t * channels + j];
      ASSERT_EQ(found.gram[i * channels + j], sum / 64);
      ASSERT_EQ(found.gram[j * channels + i], sum / 64);
    }
  }
}

TEST(Statistics, MagnitudesFallIntoTheirBins) {
  std::vector<float> row;
  for (std::size_t i = 0; i < kMagnitudeBins; ++i)
    row.push_back(std::nextafter(static_cast<float>(magnitude_edge(i)), 0.0f) * (i % 2 == 0 ? 1 : -1));
  InputStatistics found = gathered(row, row.size(), 1, 1, 1);
  EXPECT_EQ(found.magnitude_counts, std::vector<std::uint64_t>(kMagnitudeBins, 1));
  found = gathered({0, 1e-30f, 1e30f, -1e30f}, 4, 1, 1, 1);
  EXPECT_EQ(found.magnitude_counts.front(), 2u);
  EXPECT_EQ(found.magnitude_counts.back(), 2u);
}

TEST(Statistics, RefuseWhatIsNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> rows(20, 1.0f);
    rows[13] = bad;
    try {
      gathered(rows, 4, 2, 5, 5);
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::Unsupported);
      EXPECT_EQ(error.value("token"), "3");
    }
  }
}

TEST(Statistics, AConstantHasNoShape) {
  const InputStatistics found = gathered(std::vector<float>(64, 3.0f), 8, 1, 8, 8);
  EXPECT_EQ(found.mean, 3);
  EXPECT_EQ(found.variance, 0);
  EXPECT_EQ(found.skewness, 0);
  EXPECT_EQ(found.kurtosis, 0);
}

}  // namespace
}  // namespace sterna
