// The merges of a BPE vocabulary, by the pair of ids they join.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "base/string_table.hpp"
#include "tokenizer/token_index.hpp"

namespace sterna {

struct Merge {
  static constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t rank = kNoRank;  ///< lower merges first; kNoRank: the pair does not merge
  TokenId merged = -1;
};

class MergeTable {
 public:
  /// From "left right" lines, best first. Throws Format for a line of another shape and for a merge of, or
  /// into, a token that the vocabulary lacks. Of equal pairs the first counts.
  MergeTable(const StringTable& merges, const TokenIndex& index);

  Merge find(TokenId left, TokenId right) const noexcept {
    const std::uint64_t pair = pair_of(left, right);
    for (std::size_t at = slot_of(pair); slots_[at].merge.rank != Merge::kNoRank; at = after(at)) {
      if (slots_[at].pair == pair) return slots_[at].merge;
    }
    return {};
  }

 private:
  struct Slot {
    std::uint64_t pair = 0;
    Merge merge;
  };
  static std::uint64_t pair_of(TokenId left, TokenId right) noexcept {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }
  /// Fibonacci hashing: the high bits of a product with 2^64/φ are well mixed. Their share of the slots.
  std::size_t slot_of(std::uint64_t pair) const noexcept {
    return static_cast<std::size_t>(((pair * 0x9e3779b97f4a7c15u) >> 32) * slots_.size() >> 32);
  }
  std::size_t after(std::size_t slot) const noexcept { return slot + 1 == slots_.size() ? 0 : slot + 1; }

  void insert(std::uint64_t pair, Merge merge) noexcept;

  std::vector<Slot> slots_;  ///< at most two of three taken, and never all: find() stops at a free one
};

}  // namespace sterna
