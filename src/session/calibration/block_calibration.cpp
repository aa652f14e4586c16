#include "session/calibration/block_calibration.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "session/calibration/choose_windows.hpp"
#include "session/calibration/input_gatherer.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

/// N of "blk.N.…".
std::optional<std::size_t> block_of(std::string_view linear) {
  constexpr std::string_view kPrefix = "blk.";
  if (!linear.starts_with(kPrefix)) return std::nullopt;
  std::size_t block = 0;
  const char* end = linear.data() + linear.size();
  if (std::from_chars(linear.data() + kPrefix.size(), end, block).ec != std::errc{}) return std::nullopt;
  return block;
}

}  // namespace

std::uint64_t block_gram_bytes(const Model& model) {
  std::uint64_t bytes = 0;
  for (const InputStatistics& input : inputs_of(model, /*gram=*/false, 0, 1).sums)
    bytes += input.channels * input.channels * sizeof(float);
  return bytes;
}

BlockCalibration::BlockCalibration(std::shared_ptr<const Model> model, std::string_view text,
                                   const CalibrationOptions& options, std::uint64_t most_gram_bytes,
                                   ThreadPool& pool)
    : model_(std::move(model)), options_(options), pool_(pool), last_(model_->config().layers) {
  const std::uint64_t bytes = options.gram ? block_gram_bytes(*model_) : 0;
  if (bytes * last_ <= most_gram_bytes) {
    calibration_ = calibrate(model_, text, options);
    return;
  }
  group_ = most_gram_bytes / bytes;
  if (group_ == 0) {
    throw Error(ErrorCategory::Limit, "the second moments of one block's inputs are too large",
                {{"found", std::to_string(bytes) + " bytes"}, {"expected", std::to_string(most_gram_bytes)}});
  }
  const TextWindows windows = windows_of(*model_->tokenizer(), text, options.window, "calibration");
  check_in_vocabulary(windows.tokens, model_->config().vocab);
  std::vector<std::vector<TokenId>> chosen;
  for (const std::size_t window : choose_windows(windows, options)) {
    chosen.emplace_back(options.window);
    windows.copy(window, chosen.back().data());
  }
  calibration_.window = options.window;
  calibration_.windows = chosen.size();
  calibration_.tokens = calibration_.windows * options.window;
  stream_.emplace(*model_, std::move(chosen), std::min(options.batch, options.window), pool_);
  last_ = 0;
}

const InputStatistics* BlockCalibration::of(std::string_view linear) {
  const auto block = block_of(linear);
  if (!block || *block >= model_->config().layers) return nullptr;
  if (*block < first_ || *block >= last_) gather(*block / group_ * group_);
  return calibration_.of(linear);
}

void BlockCalibration::gather(std::size_t first) {
  const std::size_t last = std::min<std::size_t>(first + group_, model_->config().layers);
  last_ = first_ = 0;  // nothing is at hand until all of it is
  calibration_.inputs = {};
  stream_->move_to(first);
  ModelInputs inputs = inputs_of(*model_, /*gram=*/true, first, last);
  calibration_.inputs = std::move(inputs.sums);
  InputGatherer gatherer(inputs, calibration_.inputs, options_.batch, pool_);
  std::size_t done = 0;
  stream_->move_to(
      last, [&](const Linear& layer, const float* rows, std::size_t n) { gatherer.add(layer, rows, n); },
      [&] {
        gatherer.end_window();
        if (options_.progress) options_.progress(++done, calibration_.windows, "windows");
      });
  for (InputStatistics& input : calibration_.inputs) finish_statistics(input);
  first_ = first;
  last_ = last;
}

}  // namespace sterna
