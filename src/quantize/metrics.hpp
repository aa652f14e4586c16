// How far numbers that were stored, or computed from what was stored, are from those they stand for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sterna/precision.hpp"
#include "sterna/tokenizer.hpp"

namespace sterna {

/// Sums over pairs (r, f) of a reference and what was found: the rows of a matrix, or of a layer's outputs,
/// one after another. In double and a fixed order (of each row eight strided sums, then the rows as they
/// come): the same rows give the same bits on every machine.
class ErrorSums {
 public:
  /// One row; of equal length. A NaN makes the results NaN.
  void add(std::span<const float> reference, std::span<const float> found) noexcept;

  /// Of matrices. Without an error SQNR is +∞ and the cosine 1; with one and nothing to compare it with −∞
  /// and 0.
  WeightError weight_error() const noexcept;
  /// Σ (f − r)² / Σ r²: of a layer's outputs. NaN for no or only zero references without an error, +∞ with
  /// one.
  double relative() const noexcept;

 private:
  std::uint64_t count_ = 0;
  double reference_ = 0;  ///< Σ r²
  double found_ = 0;      ///< Σ f²
  double product_ = 0;    ///< Σ r·f
  double error_ = 0;      ///< Σ (f − r)²
  double most_ = 0;       ///< max |f − r|
};

/// Two models' predictions of one token.
struct LogitError {
  double reference_nll;   ///< −ln p(target), nats
  double found_nll;       ///< −ln q(target)
  double kl;              ///< KL(p ‖ q) = Σ p·(ln p − ln q) ≥ 0, nats
  TokenId reference_top;  ///< the most likely token, the first of equals
  TokenId found_top;
};

/// What of one side's logits does not depend on the other's.
struct LogitSummary {
  double log_sum;  ///< ln Σ exp(logits)
  TokenId top;     ///< the greatest, the first of equals
};
LogitSummary summarise(std::span<const float> logits) noexcept;

/// p = softmax(reference), q = softmax(found), in double with the greatest logit taken off first. Both have
/// one logit for each token, at least one; `target` is one of them. Where q is 0 and p is not, KL is +∞.
LogitError compare_logits(std::span<const float> reference, std::span<const float> found,
                          TokenId target) noexcept;
/// With what is known of the reference.
LogitError compare_logits(std::span<const float> reference, const LogitSummary& p,
                          std::span<const float> found, TokenId target) noexcept;

/// Their means over a text.
struct LogitSums {
  std::uint64_t tokens = 0;
  std::uint64_t same_top = 0;
  double reference_nll = 0, found_nll = 0, kl = 0;  ///< sums
  void add(const LogitError& error) noexcept;
};

}  // namespace sterna
