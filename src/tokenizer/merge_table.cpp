#include "tokenizer/merge_table.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "sterna/error.hpp"

namespace sterna {
namespace {

[[noreturn]] void fail(std::string_view message, std::string_view merge, std::size_t rank) {
  throw Error(ErrorCategory::Format, message,
              {{"merge", std::string(merge)}, {"index", std::to_string(rank)}});
}

}  // namespace

MergeTable::MergeTable(const StringTable& merges, const TokenIndex& index)
    : slots_(merges.size() + merges.size() / 2 + 2) {
  constexpr std::size_t kBlock = 64;
  std::array<std::string, kBlock> wholes;
  std::array<std::string_view, 3 * kBlock> tokens;  // of each merge: left, right, merged
  std::array<TokenId, 3 * kBlock> ids;
  for (std::size_t begin = 0; begin < merges.size(); begin += kBlock) {
    const std::size_t n = std::min(kBlock, merges.size() - begin);
    for (std::size_t i = 0; i < n; ++i) {
      const std::string_view line = merges[begin + i];
      const std::size_t space = line.find(' ');
      if (space == line.npos || line.find(' ', space + 1) != line.npos)
        fail("a BPE merge is not two tokens with a space between", line, begin + i);
      const auto left = line.substr(0, space), right = line.substr(space + 1);
      tokens[3 * i] = left;
      tokens[3 * i + 1] = right;
      tokens[3 * i + 2] = wholes[i].assign(left).append(right);
    }
    index.find_all(std::span(tokens).first(3 * n), ids);
    for (std::size_t i = 0; i < n; ++i) {
      const TokenId left = ids[3 * i], right = ids[3 * i + 1], merged = ids[3 * i + 2];
      if (left < 0 || right < 0 || merged < 0)
        fail("a BPE merge names a token that the vocabulary lacks", merges[begin + i], begin + i);
      __builtin_prefetch(&slots_[slot_of(pair_of(left, right))]);
    }
    for (std::size_t i = 0; i < n; ++i)
      insert(pair_of(ids[3 * i], ids[3 * i + 1]), {static_cast<std::uint32_t>(begin + i), ids[3 * i + 2]});
  }
}

void MergeTable::insert(std::uint64_t pair, Merge merge) noexcept {
  std::size_t at = slot_of(pair);
  for (; slots_[at].merge.rank != Merge::kNoRank; at = after(at)) {
    if (slots_[at].pair == pair) return;
  }
  slots_[at] = {pair, merge};
}

}  // namespace sterna
