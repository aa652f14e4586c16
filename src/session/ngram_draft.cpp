#include "session/ngram_draft.hpp"

#include <algorithm>

namespace sterna {
namespace {

// Of one token's evaluation. Measured for one to five guesses: 0.13 to 0.21 with weights from memory and
// AVX-512, 0.26 to 0.35 with AVX2, 0.43 to 0.61 when the weights fit the cache and nothing but arithmetic
// counts. docs/performance.md has the table. Break-even is a share of right guesses of this size: a middle
// value costs little either way.
constexpr double kGuessCost = 0.35;
// The weight of the newest token in the share of right guesses: eight tokens decide, so that a text that
// begins to repeat itself is noticed within a line.
constexpr double kLearning = 1.0 / 8;
// Before anything was learnt, a guess is as often right as wrong.
constexpr double kFirstShare = 0.5;

}  // namespace

NgramDraft::NgramDraft(std::uint32_t capacity, std::uint32_t most) : index_(capacity), most_(most) {
  guesses_.reserve(most);
  right_.fill(kFirstShare);
}

void NgramDraft::push(TokenId token) {
  const auto [next, length] = index_.match();
  if (length > 0) {
    double& share = right_[length];
    share += kLearning * ((index_.tokens()[next] == token ? 1 : 0) - share);
  }
  index_.push(token);
}

std::span<const TokenId> NgramDraft::guess(std::size_t room) {
  guesses_.clear();
  const auto tokens = index_.tokens();
  const std::size_t next = index_.match().next;
  const std::size_t count = std::min(room, worth());
  // Past the end of the text the guesses follow themselves: what repeats may be shorter than what is guessed.
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = next + i;
    guesses_.push_back(at < tokens.size() ? tokens[at] : guesses_[at - tokens.size()]);
  }
  return guesses_;
}

/// How many guesses give the most tokens for their cost.
std::size_t NgramDraft::worth() const noexcept {
  const std::size_t length = index_.match().length;
  if (length == 0) return 0;
  double expected = 1;  // tokens of an evaluation: its own, and each guess when all before it are right
  double chance = 1;
  double best = 1;
  std::size_t count = 0;
  for (std::size_t k = 1; k <= most_; ++k) {
    chance *= right_[length];
    expected += chance;
    const double gain = expected / (1 + static_cast<double>(k) * kGuessCost);
    if (gain <= best) break;  // it only falls from here: the chance of one more never rises
    best = gain;
    count = k;
  }
  return count;
}

}  // namespace sterna
