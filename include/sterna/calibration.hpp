// What a model's linear layers are given: statistics of their inputs over a text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/log.hpp"

namespace sterna {

class Model;

/// Which windows of the text are evaluated.
enum class Windows : std::uint8_t {
  Systematic,  ///< every n-th, evenly over the text
  Random,      ///< drawn without replacement
  Stratified,  ///< one drawn from each of equal stretches
  Importance,  ///< drawn without replacement in proportion to how badly a byte-pair unigram model predicts
               ///< them
};

struct CalibrationOptions {
  std::uint32_t window = 512;    ///< tokens, the first being BOS
  std::uint64_t max_tokens = 0;  ///< 0: all of the text
  Windows windows = Windows::Systematic;
  std::uint64_t seed = 0;
  bool gram = false;  ///< also Σ x·xᵀ of every input, channels² floats each
  unsigned threads = 0;
  std::uint32_t batch = 512;
  std::filesystem::path resume;  ///< where to keep unfinished work, and to go on from; empty: nowhere
  Progress progress{};
};

/// Of the rows x [channels] that one or more linear layers of a block are given, after their norm.
struct InputStatistics {
  std::string name;  ///< "blk.0.attn_in" (Q, K, V), "attn_out_in", "ffn_in" (gate, up), "down_in"
  std::uint64_t channels = 0;
  std::uint64_t tokens = 0;
  float least = 0, most = 0;
  double ema_least = 0, ema_most = 0;  ///< exponential moving averages of each token's extremes
  double mean = 0, variance = 0, skewness = 0, kurtosis = 0;  ///< over all elements
  /// Counts of |x| in bins whose upper edges are least_edge · growth^i; the first also holds all below it.
  std::vector<std::uint64_t> magnitude_counts;
  std::vector<double> second_moments;  ///< [channels]: mean x²
  std::vector<float> channel_most;     ///< [channels]: max |x|
  std::vector<float> gram;             ///< [channels, channels]: mean x·xᵀ; empty unless asked for
};

struct Calibration {
  std::uint64_t tokens = 0;
  std::vector<InputStatistics> inputs;
  /// The statistics of what a linear layer reads ("blk.0.attn_q"); null when there are none.
  const InputStatistics* of(std::string_view linear) const noexcept;
};

}  // namespace sterna
