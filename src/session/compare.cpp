#include "sterna/compare.hpp"

#include <algorithm>
#include <cmath>

#include "quantize/metrics.hpp"
#include "session/pieces.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr std::size_t kShownBefore = 12;  // tokens: enough to find the place and to see what was at stake

void check_vocabularies(const Tokenizer& a, const Tokenizer& b) {
  if (a.vocab_size() != b.vocab_size()) {
    throw Error(ErrorCategory::Mismatch, "the models' vocabularies differ in size",
                {{"found", std::to_string(b.vocab_size())}, {"expected", std::to_string(a.vocab_size())}});
  }
  for (std::size_t id = 0; id < a.vocab_size(); ++id) {
    const auto in_a = a.token_text(static_cast<TokenId>(id)), in_b = b.token_text(static_cast<TokenId>(id));
    if (in_a == in_b) continue;
    throw Error(
        ErrorCategory::Mismatch, "the models' vocabularies differ",
        {{"token", std::to_string(id)}, {"found", std::string(in_b)}, {"expected", std::string(in_a)}});
  }
}

/// The positions of greatest KL so far; of equals the first.
class Greatest {
 public:
  Greatest(const Tokenizer& tokenizer, std::size_t most) : tokenizer_(&tokenizer), most_(most) {}

  void see(const LogitError& error, std::span<const TokenId> inputs, std::size_t window,
           std::size_t position) {
    // NaN ranks above every number: it is what a reader must see.
    const auto above = [](double x, double y) { return std::isnan(x) ? !std::isnan(y) : x > y; };
    if (most_ == 0 || (found_.size() == most_ && !above(error.kl, found_.back().kl))) return;
    const auto at =
        std::ranges::find_if(found_, [&](const ComparedPosition& p) { return above(error.kl, p.kl); });
    ComparedPosition p;
    p.window = window;
    p.position = position;
    const std::size_t first = position - std::min(kShownBefore, position - 1);
    p.before = tokenizer_->decode(inputs.subspan(first, position - first));
    p.token = tokenizer_->token_bytes(inputs[position]);
    p.a_top = tokenizer_->token_bytes(error.reference_top);
    p.b_top = tokenizer_->token_bytes(error.found_top);
    p.kl = error.kl;
    p.a_nll = error.reference_nll;
    p.b_nll = error.found_nll;
    found_.insert(at, std::move(p));
    if (found_.size() > most_) found_.pop_back();
  }
  std::vector<ComparedPosition> take() { return std::move(found_); }

 private:
  const Tokenizer* tokenizer_;
  std::size_t most_;
  std::vector<ComparedPosition> found_;
};

PerplexityResult perplexity_of(double nll, std::size_t tokens, std::size_t windows) {
  const double mean = nll / static_cast<double>(tokens);
  return {std::exp(mean), mean, tokens, windows};
}

}  // namespace

Comparison compare(const std::shared_ptr<const Model>& a, const std::shared_ptr<const Model>& b,
                   std::string_view text, const CompareOptions& options) {
  const std::uint32_t window = options.window;
  const Tokenizer& tokenizer = *a->tokenizer();
  check_vocabularies(tokenizer, *b->tokenizer());
  const std::size_t vocab = a->config().vocab;
  if (b->config().vocab != vocab) {
    throw Error(ErrorCategory::Mismatch, "the models' heads differ in size",
                {{"found", std::to_string(b->config().vocab)}, {"expected", std::to_string(vocab)}});
  }
  const TextWindows text_windows = windows_of(tokenizer, text, window, "comparing models");
  const std::size_t step = text_windows.step;
  const std::size_t windows = text_windows.count;

  SessionOptions session_options = options.session;
  session_options.context = window;
  session_options.context_shift = false;
  Session session_a(a, session_options), session_b(b, session_options);
  const std::size_t batch = session_a.options().batch;
  std::vector<float> logits_a(batch * vocab), logits_b(batch * vocab);
  std::vector<TokenId> inputs(window);
  LogitSums sums;
  Greatest greatest(tokenizer, options.positions);
  for (std::size_t w = 0; w < windows; ++w) {
    session_a.reset();
    session_b.reset();
    text_windows.copy(w, inputs.data());
    for (std::size_t at = 0; at < step; at += batch) {
      const std::size_t count = std::min(batch, step - at);
      session_a.evaluate_all({inputs.data() + at, count}, {logits_a.data(), count * vocab});
      session_b.evaluate_all({inputs.data() + at, count}, {logits_b.data(), count * vocab});
      for (std::size_t t = 0; t < count; ++t) {
        const LogitError error = compare_logits({logits_a.data() + t * vocab, vocab},
                                                {logits_b.data() + t * vocab, vocab}, inputs[at + t + 1]);
        sums.add(error);
        greatest.see(error, inputs, w, at + t + 1);
      }
    }
    if (options.progress) options.progress(w + 1, windows, "windows");
  }
  Comparison result;
  result.a = perplexity_of(sums.reference_nll, sums.tokens, windows);
  result.b = perplexity_of(sums.found_nll, sums.tokens, windows);
  result.kl = sums.kl / static_cast<double>(sums.tokens);
  result.top1 = static_cast<double>(sums.same_top) / static_cast<double>(sums.tokens);
  result.positions = greatest.take();
  compare_weights(*a, *b, result);
  return result;
}

}  // namespace sterna
