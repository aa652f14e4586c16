#include "session/quantize/logit_judge.hpp"

#include <algorithm>

#include "quantize/metrics.hpp"
#include "session/pieces.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;

}  // namespace

std::vector<std::vector<TokenId>> even_windows(const Tokenizer& tokenizer, std::string_view text,
                                               std::uint32_t window, std::uint64_t tokens) {
  const TextWindows all = windows_of(tokenizer, text, window, "comparing models");
  const std::size_t count = std::clamp<std::size_t>(tokens / all.step, 1, all.count);
  std::vector<std::vector<TokenId>> windows(count, std::vector<TokenId>(window));
  for (std::size_t i = 0; i < count; ++i) all.copy(i * all.count / count, windows[i].data());
  return windows;
}

/// visit(position, logits [vocab], token that follows) for every predicted token of the windows.
template <class Visit>
void LogitJudge::for_logits(const std::shared_ptr<const Model>& model, Visit&& visit) const {
  const std::size_t vocab = model->config().vocab;
  const auto window = static_cast<std::uint32_t>(windows_.front().size());
  Session session(model, {.context = window, .batch = std::min(window, 256u), .threads = threads_});
  const std::size_t batch = session.options().batch;
  std::vector<float> logits(batch * vocab);
  std::size_t position = 0;
  for (const auto& ids : windows_) {
    session.reset();
    const std::size_t step = ids.size() - 1;
    for (std::size_t at = 0; at < step; at += batch) {
      const std::size_t count = std::min(batch, step - at);
      session.evaluate_all({ids.data() + at, count}, {logits.data(), count * vocab});
      for (std::size_t t = 0; t < count; ++t) {
        visit(position++, std::span<const float>(logits.data() + t * vocab, vocab), ids[at + t + 1]);
      }
    }
  }
}

LogitJudge::LogitJudge(const std::shared_ptr<const Model>& reference,
                       std::vector<std::vector<TokenId>> windows, unsigned threads)
    : windows_(std::move(windows)), threads_(threads) {
  for (const auto& ids : windows_) tokens_ += ids.size() - 1;
  const std::uint64_t vocab = reference->config().vocab;
  if (tokens_ * vocab * sizeof(float) > kMostBytes) {
    throw Error(ErrorCategory::Limit, "too many tokens to compare distributions over this vocabulary",
                {{"found", std::to_string(tokens_) + " tokens"},
                 {"expected", "at most " + std::to_string(kMostBytes / sizeof(float) / vocab)}});
  }
  reference_.resize(tokens_ * vocab);
  for_logits(reference, [&](std::size_t position, std::span<const float> logits, TokenId) {
    std::ranges::copy(logits, reference_.begin() + static_cast<std::ptrdiff_t>(position * vocab));
  });
  reference_nll_ = judge(reference).nll;
}

Judgement LogitJudge::judge(const std::shared_ptr<const Model>& model) const {
  const std::size_t vocab = model->config().vocab;
  LogitSums sums;
  for_logits(model, [&](std::size_t position, std::span<const float> logits, TokenId next) {
    sums.add(compare_logits({reference_.data() + position * vocab, vocab}, logits, next));
  });
  const auto tokens = static_cast<double>(tokens_);
  return {sums.found_nll / tokens, sums.kl / tokens, static_cast<double>(sums.same_top) / tokens, tokens_};
}

}  // namespace sterna
