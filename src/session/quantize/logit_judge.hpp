// How far a changed model's predictions are from a reference model's.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sterna/session.hpp"

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
  /// Throws Limit when these take more than 1 GB (tokens × vocabulary × 4 bytes).
  LogitJudge(const std::shared_ptr<const Model>& reference, std::vector<std::vector<TokenId>> windows,
             unsigned threads);

  /// Of the same vocabulary.
  Judgement judge(const std::shared_ptr<const Model>& model) const;
  double reference_nll() const noexcept { return reference_nll_; }
  std::uint64_t tokens() const noexcept { return tokens_; }

 private:
  template <class Visit>
  void for_logits(const std::shared_ptr<const Model>& model, Visit&& visit) const;

  std::vector<std::vector<TokenId>> windows_;
  unsigned threads_;
  std::uint64_t tokens_ = 0;
  std::vector<float> reference_;  ///< [tokens, vocab]
  double reference_nll_ = 0;
};

}  // namespace sterna
