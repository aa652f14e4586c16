// What a model's linear layers are given: statistics of their inputs over a text, and ranges chosen from
// them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/log.hpp"

namespace sterna {

class Model;

/// Which windows of the text are evaluated, in the text's order.
enum class Windows : std::uint8_t {
  Systematic,  ///< every n-th, evenly over the text
  Random,      ///< drawn without replacement, each as likely
  Stratified,  ///< one drawn from each of equal stretches
  Importance,  ///< drawn without replacement in proportion to their surprise: the mean of ln((T + 1) / count)
               ///< over a window's tokens, count being how often the token stands among the text's T
};
std::string_view to_string(Windows windows) noexcept;  ///< "systematic", …
std::optional<Windows> windows_from_name(std::string_view name) noexcept;

struct CalibrationOptions {
  std::uint32_t window = 512;    ///< tokens, the first being BOS
  std::uint64_t max_tokens = 0;  ///< as few windows as hold so many; 0: all of the text
  Windows windows = Windows::Systematic;
  std::uint64_t seed = 0;
  bool gram = false;  ///< also Σ x·xᵀ of every input, channels² floats each
  unsigned threads = 0;
  std::uint32_t batch = 512;
  std::filesystem::path resume{};  ///< where to keep unfinished work, and to go on from; empty: nowhere
  double resume_every = 30;        ///< seconds
  Progress progress{};
};

/// Of the rows x [channels] that one or more linear layers of a block are given, after their norm. Float sums
/// are those of the rows in the text's order: no number depends on threads or batch.
struct InputStatistics {
  std::string name;  ///< "blk.0.attn_in" (Q, K, V), "attn_out_in", "ffn_in" (gate, up), "down_in"; where
                     ///< layers normalise for themselves the layer: "blk.0.attn_q"
  std::uint64_t channels = 0;
  std::uint64_t tokens = 0;
  float least = 0, most = 0;
  /// Of each token's extremes: e ← 0.99·e + 0.01·x, from the first token's (Jacob et al. 2018,
  /// arXiv:1712.05877).
  double ema_least = 0, ema_most = 0;
  double mean = 0, variance = 0, skewness = 0, kurtosis = 0;  ///< over all elements; a normal's kurtosis is 3
  /// Counts of |x| in bins: of bin i the upper edge is magnitude_edge(i). The first holds all below its edge
  /// too, the last all above.
  std::vector<std::uint64_t> magnitude_counts;
  std::vector<double> second_moments;  ///< [channels]: mean x²
  std::vector<float> channel_most;     ///< [channels]: max |x|
  /// [channels, channels]: mean x·xᵀ, symmetric; empty unless asked for. Summed in float32, 64 rows at a time
  /// from each window's first: within √(tokens/64)·ε of |x|², typically.
  std::vector<float> gram;
};

/// 32 bins to an octave, equally wide in it: (1 + ((i mod 32) + 1) / 32)·2^(⌊i/32⌋ − 24), i < kMagnitudeBins.
constexpr std::size_t kMagnitudeBins = 1536;  // 48 octaves: 2^−24 to 2^24
double magnitude_edge(std::size_t bin) noexcept;

/// The magnitude that `share` of all elements do not exceed, from the bins: exact to a bin's width, 3 %.
double magnitude_percentile(const InputStatistics& input, double share);

/// How the range [−c, c] of a static scale c / (2^(bits − 1) − 1) is chosen.
enum class ClipRule : std::uint8_t {
  MinMax,      ///< c = max |x|
  Percentile,  ///< 99.99 % of all elements are not clipped
  Mse,         ///< least mean squared error of rounding and clipping
  Entropy,     ///< least KL divergence of the clipped magnitudes from the rounded ones (Migacz 2017)
};
std::string_view to_string(ClipRule rule) noexcept;  ///< "minmax", "percentile", "mse", "entropy"
std::optional<ClipRule> clip_rule_from_name(std::string_view name) noexcept;
/// c > 0, from the bins: the elements of a bin count as evenly distributed in it. 0 where every element is 0.
/// Throws InvalidArgument for bits other than 2 to 8.
double clip_range(const InputStatistics& input, ClipRule rule, unsigned bits = 8);

struct Outlier {
  std::uint64_t channel = 0;
  float most = 0;    ///< max |x| of the channel
  double ratio = 0;  ///< to the median channel's
};
/// Channels whose ratio is above `ratio`, the largest first.
std::vector<Outlier> outliers(const InputStatistics& input, double ratio);

struct Calibration {
  std::string model;  ///< which model it is of: a hash of its configuration and of samples of its bytes
  std::uint32_t window = 0;  ///< tokens
  std::uint64_t windows = 0;
  std::uint64_t tokens = 0;  ///< window · windows
  std::vector<InputStatistics> inputs;
  /// The statistics of what a linear layer reads ("blk.0.attn_q"); null when there are none.
  const InputStatistics* of(std::string_view linear) const noexcept;
};

/// Runs windows of a text through the model, tokenised as by `perplexity`, each window after an empty
/// context. Memory does not grow with the text but for its tokens (4 bytes each). Throws InvalidArgument for
/// a text that is shorter than a window, Unsupported without a BOS token or for an activation that is not
/// finite, Mismatch for a `resume` file of another model, text or options, Format for a damaged one. The
/// resume file is whole at any time, and left in place when the work is done; what goes on from it ends in
/// the same bits.
Calibration calibrate(const std::shared_ptr<const Model>& model, std::string_view text,
                      const CalibrationOptions& options = {});

/// Writes FILE, JSON with what is small, and beside it the same name ending in .safetensors, each as a whole.
/// A checksum of both is in the first: a pair that does not belong together is refused when it is read.
/// Throws Io, and InvalidArgument for a FILE that ends in .safetensors.
void save_calibration(const Calibration& calibration, const std::filesystem::path& file);
/// Throws Io, Format for damage (the file, what was found), Unsupported for a later version, Mismatch for a
/// calibration of another model.
Calibration load_calibration(const std::filesystem::path& file, const Model& model);

}  // namespace sterna
