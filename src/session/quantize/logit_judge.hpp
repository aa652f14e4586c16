// How far a changed model's predictions are from a reference model's.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "platform/thread_pool.hpp"
#include "quantize/metrics.hpp"
#include "session/residual_stream.hpp"
#include "sterna/model.hpp"

namespace sterna {

/// Windows of `window` tokens, BOS first in each, evenly over a text: as many as have `tokens` predicted
/// tokens, at least one, at most all. Throws as windows_of.
std::vector<std::vector<TokenId>> even_windows(const Tokenizer& tokenizer, std::string_view text,
                                               std::uint32_t window, std::uint64_t tokens);

struct Judgement {
  double nll = 0;   ///< mean negative log-likelihood, nats a token
  double kl = 0;    ///< mean KL(reference ‖ model), nats a token
  double top1 = 0;  ///< share of positions with the reference's most likely token
  std::uint64_t tokens = 0;
};

/// Keeps the reference's logits after every token of the windows.
class LogitJudge {
 public:
  /// Throws Limit when these take more than 1 GB (tokens × vocabulary × 4 bytes), Mismatch for ids outside
  /// the vocabulary. The pool must outlive it.
  LogitJudge(const Model& reference, std::vector<std::vector<TokenId>> windows, ThreadPool& pool);

  /// Of the same vocabulary. The reference had an f32 cache.
  Judgement judge(const Model& model, KvType kv = KvType::F32) const;
  /// The same, bit for bit, of a model whose blocks up to the stream's are those it came from: only those
  /// from there on are run.
  Judgement judge(const Model& model, const ResidualStream& from) const;
  /// Of a model on the judge's windows, before block 0.
  ResidualStream stream(const Model& model) const;

  double reference_nll() const noexcept { return reference_nll_; }
  std::uint64_t tokens() const noexcept { return tokens_; }

 private:
  template <class Visit>
  void for_logits(const Model& model, KvType kv, const ResidualStream* from, Visit&& visit) const;
  Judgement judge(const Model& model, KvType kv, const ResidualStream* from) const;

  std::vector<std::vector<TokenId>> windows_;
  ThreadPool& pool_;
  std::uint64_t tokens_ = 0;
  std::vector<float> reference_;         ///< [tokens, vocab]
  std::vector<LogitSummary> summaries_;  ///< [tokens]
  double reference_nll_ = 0;
};

}  // namespace sterna
