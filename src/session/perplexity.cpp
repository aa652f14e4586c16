#include <algorithm>
#include <cmath>

#include "sterna/error.hpp"
#include "sterna/session.hpp"

namespace sterna {
namespace {

constexpr std::string_view kPieceSeparator = "\n\n\n";  // two blank lines
constexpr std::string_view kWhitespace = " \t\n\r\f\v";

std::string_view stripped(std::string_view text) {
  const auto first = text.find_first_not_of(kWhitespace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhitespace) - first + 1);
}

std::vector<TokenId> tokens_of_pieces(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<TokenId> tokens;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(kPieceSeparator, at), text.size());
    const auto piece = stripped(text.substr(at, end - at));
    if (!piece.empty()) {
      const auto ids = tokenizer.encode(std::string(piece) + "\n\n", /*parse_special=*/false);
      tokens.insert(tokens.end(), ids.begin(), ids.end());
    }
    at = end + kPieceSeparator.size();
  }
  return tokens;
}

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
  if (window < 2) {
    throw Error(ErrorCategory::InvalidArgument, "the window is too small",
                {{"found", std::to_string(window)}, {"expected", "at least 2"}});
  }
  const Tokenizer& tokenizer = *model->tokenizer();
  const auto bos = tokenizer.bos();
  if (!bos)
    throw Error(ErrorCategory::Unsupported, "perplexity needs a BOS token, and the tokenizer has none");
  const std::vector<TokenId> tokens = tokens_of_pieces(tokenizer, text);
  const std::size_t step = window - 1;
  const std::size_t windows = tokens.size() / step;
  if (windows == 0) {
    throw Error(ErrorCategory::InvalidArgument, "the text is shorter than one window",
                {{"found", std::to_string(tokens.size()) + " tokens"},
                 {"expected", "at least " + std::to_string(step)}});
  }

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
    inputs[0] = *bos;
    std::copy_n(tokens.begin() + static_cast<std::ptrdiff_t>(w * step), step, inputs.begin() + 1);
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
