// Two models side by side: what they predict of one text, and the weights they have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/dtype.hpp"
#include "sterna/precision.hpp"
#include "sterna/session.hpp"

namespace sterna {

/// A token that the two models predict differently: p is A's distribution, q is B's.
struct ComparedPosition {
  std::size_t window = 0;
  std::size_t position = 0;     ///< in the window, BOS being 0
  std::string before;           ///< the text of the tokens before it, the last dozen
  std::string token;            ///< of the text
  std::string a_top, b_top;     ///< the most likely token of each
  double kl = 0;                ///< KL(p ‖ q), nats
  double a_nll = 0, b_nll = 0;  ///< of the token, nats
};

/// A matrix that both have in the same shape. A is the reference.
struct ComparedMatrix {
  std::string name;  ///< "blk.0.attn_q", "token_embd", "output"
  std::uint64_t rows = 0, cols = 0;
  DType a_type, b_type;  ///< as stored
  std::uint64_t a_bytes = 0, b_bytes = 0;
  WeightError error;  ///< of B's weights against A's, as the models compute with them
};

struct Comparison {
  PerplexityResult a, b;
  double kl = 0;    ///< mean KL(p ‖ q), nats a token
  double top1 = 0;  ///< share of tokens for which both find the same token most likely
  std::vector<ComparedPosition> positions;  ///< of greatest KL, from the greatest
  std::vector<ComparedMatrix> matrices;     ///< in file order
  std::vector<std::string> unmatched;       ///< matrices that only one has, or in another shape
};

struct CompareOptions {
  std::uint32_t window = 512;  ///< as for perplexity
  std::size_t positions = 10;  ///< kept
  SessionOptions session{};    ///< of both
  Progress progress{};
};

/// Evaluates both models on the windows that `perplexity` would, a batch at a time, and compares their
/// weights matrix by matrix: beside the models memory takes two sessions, two batches of logits and the trits
/// of two matrices. The perplexities are those of `perplexity` up to rounding of logarithms. Throws as
/// `perplexity` does, and Mismatch for models whose vocabularies differ (token, found, expected).
Comparison compare(const std::shared_ptr<const Model>& a, const std::shared_ptr<const Model>& b,
                   std::string_view text, const CompareOptions& options = {});

/// The weights alone: fills `matrices` and `unmatched`.
void compare_weights(const Model& a, const Model& b, Comparison& comparison);

}  // namespace sterna
