// Choosing the next token from logits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "sterna/tokenizer.hpp"

namespace sterna {

/// The steps run in this order: bias, penalties, then (unless greedy) top-k, temperature softmax, top-p,
/// min-p, draw.
struct SamplingOptions {
  float temperature = 0.8f;        ///< ≤ 0 is greedy
  std::int32_t top_k = 40;         ///< 0: off
  float top_p = 0.95f;             ///< 1: off (Holtzman et al. 2019, arXiv:1904.09751)
  float min_p = 0.05f;             ///< 0: off; relative to the most probable token
  float repeat_penalty = 1.0f;     ///< > 1 divides positive and multiplies negative logits of tokens in the
                                   ///< window (Keskar et al. 2019)
  float presence_penalty = 0.0f;   ///< subtracted once per token in the window
  float frequency_penalty = 0.0f;  ///< subtracted per occurrence in the window
  std::uint32_t penalty_window = 64;
  std::uint64_t seed = 0;  ///< the same seed, options and logits give the same tokens on every machine
  std::vector<std::pair<TokenId, float>> logit_bias;  ///< added to the logit; −infinity forbids
};

/// Throws InvalidArgument for values outside their range (negative penalties' window, NaN, top_p ≤ 0 …),
/// naming the option.
void check(const SamplingOptions& options);

/// The logits that a sampler reads: of `always`, and of the other ids those that are both among the `top`
/// largest (0: of any rank; of equal ones all) and at least the largest − `below_best`. With −infinity for
/// any of the rest it gives the same token from the same draw.
struct LogitsRead {
  std::size_t top;
  double below_best;
  std::span<const TokenId> always;  ///< valid until the sampler is used again; an id may come twice
};

/// Keeps the random state and the recent tokens of one sequence. Ties go to the lower id. No allocation after
/// construction.
class Sampler {
 public:
  Sampler(SamplingOptions options, std::size_t vocab);
  ~Sampler();
  Sampler(Sampler&&) noexcept;

  /// The next token for logits [vocab]; does not remember it.
  TokenId sample(std::span<const float> logits);
  /// What the next sample() reads; nothing where it is all logits.
  std::optional<LogitsRead> reads() const;
  /// Adds a token of the sequence (prompt or generated) to the penalty window.
  void accept(TokenId token);
  void reset();  ///< random state and window as new

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sterna
