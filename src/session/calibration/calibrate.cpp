// Runs a text through a model and gathers what its linear layers are given.
#include <algorithm>

#include "base/clock.hpp"
#include "base/fnv1a.hpp"
#include "model/forward.hpp"
#include "model/identity.hpp"
#include "model/model_impl.hpp"
#include "session/calibration/calibration_file.hpp"
#include "session/calibration/choose_windows.hpp"
#include "session/calibration/input_gatherer.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

/// What the statistics depend on besides the model.
std::string fingerprint(const TextWindows& text, const std::vector<std::size_t>& windows, bool gram) {
  Fnv1a hash;
  hash.add(text.step).add(gram).add(windows.size());
  std::vector<TokenId> tokens(text.step + 1);
  for (const std::size_t window : windows) {
    text.copy(window, tokens.data());
    hash.add(std::as_bytes(std::span(tokens)));
  }
  return hash.hex();
}

}  // namespace

Calibration calibrate(const std::shared_ptr<const Model>& model, std::string_view text,
                      const CalibrationOptions& options) {
  if (options.batch == 0) throw Error(ErrorCategory::InvalidArgument, "the batch must be positive");
  const TextWindows windows = windows_of(*model->tokenizer(), text, options.window, "calibration");
  check_in_vocabulary(windows.tokens, model->config().vocab);
  const std::vector<std::size_t> chosen = choose_windows(windows, options);
  const std::string work = fingerprint(windows, chosen, options.gram);
  ModelInputs inputs = inputs_of(*model, options.gram);
  Calibration sums;
  sums.model = model_identity(*model);
  sums.window = options.window;
  std::error_code ignored;
  if (!options.resume.empty() && std::filesystem::exists(options.resume, ignored)) {
    sums = read_unfinished(options.resume, *model, work);
    if (sums.windows > chosen.size()) {
      throw Error(ErrorCategory::Format, "more windows are done than there are",
                  {{"file", options.resume.string()},
                   {"found", std::to_string(sums.windows)},
                   {"expected", "at most " + std::to_string(chosen.size())}});
    }
  } else {
    sums.inputs = std::move(inputs.sums);
  }

  ThreadPool pool(options.threads);
  const std::uint32_t batch = std::min(options.batch, options.window);
  Forward forward(model->config(), model->impl().weights, model->impl().dispatch, pool,
                  {.context = options.window, .batch = batch, .kv = KvType::F32});
  InputGatherer gatherer(inputs, sums.inputs, batch, pool);
  forward.observe(
      [&](const Linear& first, const float* rows, std::size_t n) { gatherer.add(first, rows, n); });

  const auto save = [&] {
    if (!options.resume.empty()) write_unfinished(options.resume, sums, work);
  };
  const std::atomic<bool> never{false};
  std::vector<TokenId> tokens(options.window);
  Stopwatch since_saved;
  while (sums.windows < chosen.size()) {
    windows.copy(chosen[sums.windows], tokens.data());
    for (std::uint32_t at = 0; at < options.window; at += batch)
      forward.run(std::span(tokens).subspan(at, std::min(batch, options.window - at)), at, never);
    gatherer.end_window();
    ++sums.windows;
    sums.tokens += options.window;
    try {
      if (options.progress) options.progress(sums.windows, chosen.size(), "windows");
    } catch (...) {  // whoever stops the work wants to go on from here
      save();
      throw;
    }
    if (sums.windows == chosen.size() || since_saved.seconds() >= options.resume_every) {
      save();
      since_saved = Stopwatch();
    }
  }
  for (InputStatistics& input : sums.inputs) finish_statistics(input);
  return sums;
}

}  // namespace sterna
