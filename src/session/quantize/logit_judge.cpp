#include "session/quantize/logit_judge.hpp"

#include <algorithm>
#include <atomic>

#include "model/forward.hpp"
#include "model/model_impl.hpp"
#include "session/pieces.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr std::uint32_t kBatch = 256;  // tokens: with a vocabulary of 128,256 their logits are 131 MB
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

/// visit(position, logits [count, vocab], the tokens that follow [count]) for the predicted tokens of the
/// windows, as many at a time as are evaluated together.
template <class Visit>
void LogitJudge::for_logits(const Model& model, KvType kv, const ResidualStream* from, Visit&& visit) const {
  const std::size_t vocab = model.config().vocab;
  const std::size_t step = windows_.front().size() - 1;
  Forward forward(model.config(), model.impl().weights, model.impl().dispatch, pool_,
                  {.context = static_cast<std::uint32_t>(step), .batch = kBatch, .kv = kv});
  const std::atomic<bool> never{false};
  std::vector<float> logits(kBatch * vocab);
  std::size_t position = 0;
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    const std::span<const TokenId> ids = windows_[w];
    for (std::size_t at = 0; at < step; at += kBatch) {
      const std::size_t count = std::min<std::size_t>(kBatch, step - at);
      const auto first = static_cast<std::uint32_t>(at);
      if (from) {
        forward.run_from(from->block(), from->of(w, at, count), first, never);
      } else {
        forward.run(ids.subspan(at, count), first, never);
      }
      forward.logits(0, count, logits.data());
      visit(position, std::span<const float>(logits).first(count * vocab), ids.subspan(at + 1, count));
      position += count;
    }
  }
}

LogitJudge::LogitJudge(const Model& reference, std::vector<std::vector<TokenId>> windows, ThreadPool& pool)
    : windows_(std::move(windows)), pool_(pool) {
  const std::uint64_t vocab = reference.config().vocab;
  for (const auto& ids : windows_) {
    check_in_vocabulary(ids, reference.config().vocab);
    tokens_ += ids.size() - 1;
  }
  if (tokens_ * vocab * sizeof(float) > kMostBytes) {
    throw Error(ErrorCategory::Limit, "too many tokens to compare distributions over this vocabulary",
                {{"found", std::to_string(tokens_) + " tokens"},
                 {"expected", "at most " + std::to_string(kMostBytes / sizeof(float) / vocab)}});
  }
  reference_.resize(tokens_ * vocab);
  summaries_.resize(tokens_);
  for_logits(reference, KvType::F32, nullptr,
             [&](std::size_t position, std::span<const float> logits, std::span<const TokenId> next) {
               std::ranges::copy(logits, reference_.begin() + static_cast<std::ptrdiff_t>(position * vocab));
               pool_.parallel_for(next.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
                 for (std::size_t t = begin; t < end; ++t)
                   summaries_[position + t] = summarise(logits.subspan(t * vocab, vocab));
               });
               for (std::size_t t = 0; t < next.size(); ++t) {
                 reference_nll_ += summaries_[position + t].log_sum -
                                   static_cast<double>(logits[t * vocab + static_cast<std::size_t>(next[t])]);
               }
             });
  reference_nll_ /= static_cast<double>(tokens_);
}

Judgement LogitJudge::judge(const Model& model, KvType kv, const ResidualStream* from) const {
  const std::size_t vocab = model.config().vocab;
  LogitSums sums;
  std::vector<LogitError> errors(kBatch);
  for_logits(model, kv, from,
             [&](std::size_t position, std::span<const float> logits, std::span<const TokenId> next) {
               pool_.parallel_for(next.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
                 for (std::size_t t = begin; t < end; ++t) {
                   errors[t] =
                       compare_logits({reference_.data() + (position + t) * vocab, vocab},
                                      summaries_[position + t], logits.subspan(t * vocab, vocab), next[t]);
                 }
               });
               // In the text's order, whoever compared them.
               for (std::size_t t = 0; t < next.size(); ++t) sums.add(errors[t]);
             });
  const auto tokens = static_cast<double>(tokens_);
  return {sums.found_nll / tokens, sums.kl / tokens, static_cast<double>(sums.same_top) / tokens, tokens_};
}

Judgement LogitJudge::judge(const Model& model, KvType kv) const {
  return judge(model, kv, nullptr);
}

Judgement LogitJudge::judge(const Model& model, const ResidualStream& from) const {
  return judge(model, KvType::F32, &from);
}

ResidualStream LogitJudge::stream(const Model& model) const {
  auto inputs = windows_;
  for (auto& ids : inputs) ids.pop_back();  // what it predicts is not asked for
  return {model, std::move(inputs), kBatch, pool_};
}

}  // namespace sterna
