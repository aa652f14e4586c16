#include <algorithm>
#include <cmath>

#include "session/pieces.hpp"
#include "sterna/session.hpp"

namespace sterna {
namespace {

/// −log softmax(logits)[target], in double.
double negative_log_likelihood(std::span<const float> logits, TokenId target) {
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit - most));
  return std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(target)] - most);
}

}  // namespace

PerplexityResult perplexity(const std::shared_ptr<const Model>& model, std::string_view text,
                            std::uint32_t window, const SessionOptions& options, const Progress& progress) {
  const TextWindows text_windows = windows_of(*model->tokenizer(), text, window, "perplexity");
  const std::size_t step = text_windows.step;
  const std::size_t windows = text_windows.count;

  SessionOptions session_options = options;
  session_options.context = window;
  session_options.context_shift = false;
  Session session(model, session_options);
  const std::size_t vocab = model->config().vocab;
  // Logits of a batch at a time: those of a whole window of a large vocabulary are hundreds of megabytes.
  const std::size_t batch = session.options().batch;
  std::vector<float> logits(batch * vocab);
  std::vector<TokenId> inputs(window);
  double total = 0;
  for (std::size_t w = 0; w < windows; ++w) {
    session.reset();
    text_windows.copy(w, inputs.data());
    // Inputs 0 … step − 1 predict inputs 1 … step.
    for (std::size_t at = 0; at < step; at += batch) {
      const std::size_t count = std::min(batch, step - at);
      session.evaluate_all({inputs.data() + at, count}, {logits.data(), count * vocab});
      for (std::size_t t = 0; t < count; ++t) {
        total += negative_log_likelihood({logits.data() + t * vocab, vocab}, inputs[at + t + 1]);
      }
    }
    if (progress) progress(w + 1, windows, "windows");
  }
  PerplexityResult result;
  result.windows = windows;
  result.tokens = windows * step;
  result.mean_nll = total / static_cast<double>(result.tokens);
  result.perplexity = std::exp(result.mean_nll);
  return result;
}

}  // namespace sterna
