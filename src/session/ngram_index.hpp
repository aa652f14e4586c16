// Where the end of a sequence occurred before in it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sterna/tokenizer.hpp"

namespace sterna {

/// The newest tokens of a sequence and, for its last n of them, n from kShortest to kLongest, where the same
/// n ended last. A token costs a few look-ups, whatever the length; nothing is allocated after construction.
class NgramIndex {
 public:
  // One token says little about the next, and more than four seldom say more than four (Saxena 2023 takes 3).
  static constexpr std::size_t kShortest = 2;
  static constexpr std::size_t kLongest = 4;

  struct Match {
    std::size_t next = 0;    ///< index of the token that followed the earlier occurrence
    std::size_t length = 0;  ///< tokens that agree; 0: there is no match
  };

  /// Keeps at most `capacity` tokens, at least one; a full index forgets the older half.
  explicit NgramIndex(std::uint32_t capacity);

  void push(TokenId token);
  /// The latest occurrence of the longest n-gram at the end that has an earlier one, which may overlap it.
  const Match& match() const noexcept { return match_; }
  /// What is kept, oldest first. Valid until the next push.
  std::span<const TokenId> tokens() const noexcept { return tokens_; }

 private:
  void enter(std::size_t size);
  std::uint32_t& slot_of(std::span<const TokenId> ngram);
  void forget_older_half();

  std::size_t capacity_;
  std::vector<TokenId> tokens_;
  /// For each n a hash table: where an n-gram ended last, as the number of tokens up to there; 0: empty.
  std::array<std::vector<std::uint32_t>, kLongest - kShortest + 1> ends_;
  Match match_;
};

}  // namespace sterna
