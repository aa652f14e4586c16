#include "quantize/calibration/statistics.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr double kEmaKept = 0.99;
// Channels that one thread takes at a time: a cache line of doubles, so that no two write the same.
constexpr std::size_t kChannelGrain = 8;
// Strided partial sums, enough for any vector of doubles.
constexpr std::size_t kLanes = 8;

/// The bin of a magnitude: its exponent and the five bits after it.
std::size_t bin_of(float x) noexcept {
  constexpr std::uint32_t kFirst = (127u - 24u) << 5;
  const std::uint32_t at = (std::bit_cast<std::uint32_t>(x) & 0x7fffffffu) >> 18;
  return at < kFirst ? 0 : std::min<std::size_t>(at - kFirst, kMagnitudeBins - 1);
}

void count_magnitudes(const float* row, std::size_t n, std::uint64_t* counts) {
  for (std::size_t i = 0; i < n; ++i) ++counts[bin_of(row[i])];
}

/// Σx, Σx², Σx³, Σx⁴ in double: kLanes strided sums each, added one after the other.
void power_sums(const float* row, std::size_t n, double* out) {
  double sums[4][kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const double x = row[i + l];
      const double x2 = x * x;
      sums[0][l] += x;
      sums[1][l] += x2;
      sums[2][l] += x2 * x;
      sums[3][l] += x2 * x2;
    }
  }
  for (std::size_t l = 0; i < n; ++i, ++l) {
    const double x = row[i];
    const double x2 = x * x;
    sums[0][l] += x;
    sums[1][l] += x2;
    sums[2][l] += x2 * x;
    sums[3][l] += x2 * x2;
  }
  for (std::size_t p = 0; p < 4; ++p) {
    out[p] = 0;
    for (const double sum : sums[p]) out[p] += sum;
  }
}

void extremes(const float* row, std::size_t n, float& least, float& most) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr std::size_t kWide = 16;
  float low[kWide], high[kWide];
  std::fill_n(low, kWide, kInfinity);
  std::fill_n(high, kWide, -kInfinity);
  const auto see = [&](std::size_t i, std::size_t l) {
    low[l] = row[i] < low[l] ? row[i] : low[l];
    high[l] = row[i] > high[l] ? row[i] : high[l];
  };
  std::size_t i = 0;
  for (; i + kWide <= n; i += kWide) {
    for (std::size_t l = 0; l < kWide; ++l) see(i + l, l);
  }
  for (std::size_t l = 0; i < n; ++i, ++l) see(i, l);
  least = *std::min_element(low, low + kWide);
  most = *std::max_element(high, high + kWide);
}

/// Of channels [begin, end), token after token.
void add_channels(const float* rows, std::size_t tokens, std::size_t channels, std::size_t begin,
                  std::size_t end, double* __restrict squares, float* __restrict most) {
  for (std::size_t t = 0; t < tokens; ++t) {
    const float* row = rows + t * channels;
    for (std::size_t c = begin; c < end; ++c) {
      const double x = row[c];
      squares[c] += x * x;
    }
    for (std::size_t c = begin; c < end; ++c) {
      const float magnitude = row[c] < 0 ? -row[c] : row[c];
      most[c] = magnitude > most[c] ? magnitude : most[c];
    }
  }
}

}  // namespace

InputStatistics start_statistics(std::string name, std::uint64_t channels, bool gram) {
  InputStatistics sums;
  sums.name = std::move(name);
  sums.channels = channels;
  sums.magnitude_counts.resize(kMagnitudeBins);
  sums.second_moments.resize(channels);
  sums.channel_most.resize(channels);
  if (gram) sums.gram.resize(channels * channels);
  return sums;
}

StatisticsGatherer::StatisticsGatherer(ThreadPool& pool, std::size_t batch)
    : pool_(pool), tokens_(batch), counts_(pool.size() * kMagnitudeBins) {}

void StatisticsGatherer::add(InputStatistics& sums, GramRows& pending, const float* rows,
                             std::size_t tokens) {
  const std::size_t channels = sums.channels;
  std::ranges::fill(counts_, 0);
  pool_.parallel_for(tokens, 1, [&](std::size_t begin, std::size_t end, unsigned thread) {
    for (std::size_t t = begin; t < end; ++t) {
      const float* row = rows + t * channels;
      extremes(row, channels, tokens_[t].least, tokens_[t].most);
      power_sums(row, channels, tokens_[t].powers);
      count_magnitudes(row, channels, counts_.data() + thread * kMagnitudeBins);
    }
  });
  for (std::size_t t = 0; t < tokens; ++t) {
    const TokenSums& token = tokens_[t];
    if (!std::isfinite(token.powers[1])) {
      throw Error(ErrorCategory::Unsupported, "an activation is not finite",
                  {{"input", sums.name}, {"token", std::to_string(sums.tokens)}});
    }
    const bool first = sums.tokens == 0;
    sums.least = first ? token.least : std::min(sums.least, token.least);
    sums.most = first ? token.most : std::max(sums.most, token.most);
    sums.ema_least = first ? token.least : kEmaKept * sums.ema_least + (1 - kEmaKept) * token.least;
    sums.ema_most = first ? token.most : kEmaKept * sums.ema_most + (1 - kEmaKept) * token.most;
    sums.mean += token.powers[0];
    sums.variance += token.powers[1];
    sums.skewness += token.powers[2];
    sums.kurtosis += token.powers[3];
    ++sums.tokens;
  }
  for (std::size_t i = 0; i < counts_.size(); ++i) sums.magnitude_counts[i % kMagnitudeBins] += counts_[i];
  pool_.parallel_for(channels, kChannelGrain, [&](std::size_t begin, std::size_t end, unsigned) {
    add_channels(rows, tokens, channels, begin, end, sums.second_moments.data(), sums.channel_most.data());
  });
  for (std::size_t t = 0; !sums.gram.empty() && t < tokens; ++t) {
    pending.push(rows + t * channels);
    if (pending.full()) pending.add_to(sums.gram.data(), pool_);
  }
}

void StatisticsGatherer::end_window(InputStatistics& sums, GramRows& pending) {
  if (!sums.gram.empty()) pending.add_to(sums.gram.data(), pool_);
}

void finish_statistics(InputStatistics& sums) {
  if (sums.tokens == 0) return;
  const auto tokens = static_cast<double>(sums.tokens);
  const double n = tokens * static_cast<double>(sums.channels);
  // Central moments from raw ones. The cancellation costs as many digits of 16 as (mean / deviation)^4 has.
  const double m1 = sums.mean / n, m2 = sums.variance / n, m3 = sums.skewness / n, m4 = sums.kurtosis / n;
  const double variance = std::max(m2 - m1 * m1, 0.0);
  const double third = m3 - 3 * m1 * m2 + 2 * m1 * m1 * m1;
  const double fourth = m4 - 4 * m1 * m3 + 6 * m1 * m1 * m2 - 3 * m1 * m1 * m1 * m1;
  sums.mean = m1;
  sums.variance = variance;
  sums.skewness = variance > 0 ? third / (variance * std::sqrt(variance)) : 0;
  sums.kurtosis = variance > 0 ? fourth / (variance * variance) : 0;
  for (double& moment : sums.second_moments) moment /= tokens;
  if (!sums.gram.empty()) finish_gram(sums.gram.data(), sums.channels, sums.tokens);
}

}  // namespace sterna
