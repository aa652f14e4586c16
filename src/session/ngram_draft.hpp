// Guessing the next tokens of a sequence from what followed its end before, and how many it is worth to
// guess.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "session/ngram_index.hpp"

namespace sterna {

/// Prompt lookup decoding (Saxena 2023). A guess costs an evaluation's share and saves an evaluation when it
/// is right, so the number of guesses is the k with the most tokens for their cost,
///
///   (1 + p + … + p^k) / (1 + k · kGuessCost),
///
/// p being the share of right guesses lately after matches of this length (Leviathan et al. 2023,
/// arXiv:2211.17192, has the numerator). The share is learnt from every token, whether one was guessed or
/// not.
class NgramDraft {
 public:
  /// Looks back at most `capacity` tokens and guesses at most `most` at a time. Allocates all it needs.
  NgramDraft(std::uint32_t capacity, std::uint32_t most);

  /// A token of the prompt: nothing is learnt from how it follows.
  void read(TokenId token) { index_.push(token); }
  /// A token that was drawn.
  void push(TokenId token);
  /// At most `room` tokens that may come next, or none. Valid until the next call.
  std::span<const TokenId> guess(std::size_t room);

 private:
  std::size_t worth() const noexcept;

  NgramIndex index_;
  std::size_t most_;
  std::vector<TokenId> guesses_;
  std::array<double, NgramIndex::kLongest + 1> right_;  ///< by the length of the match
};

}  // namespace sterna
