#include "tokenizer/merge_table.hpp"

#include <algorithm>
#include <bit>

#include "sterna/error.hpp"

namespace sterna {

MergeTable::MergeTable(const std::vector<std::string>& merges, const TokenIndex& index) {
  // At most two slots of three taken, and never a full table: find() stops at a free one.
  slots_.resize(std::bit_ceil(merges.size() + merges.size() / 2 + 2));
  mask_ = slots_.size() - 1;
  shift_ = 64 - std::countr_zero(slots_.size());
  std::string whole;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string_view line = merges[rank];
    const auto fail = [&](std::string_view message) {
      throw Error(ErrorCategory::Format, message,
                  {{"merge", std::string(line)}, {"index", std::to_string(rank)}});
    };
    const std::size_t space = line.find(' ');
    if (space == line.npos || line.find(' ', space + 1) != line.npos)
      fail("a BPE merge is not two tokens with a space between");
    const auto left_text = line.substr(0, space), right_text = line.substr(space + 1);
    whole.assign(left_text).append(right_text);
    const auto left = index.find(left_text), right = index.find(right_text), merged = index.find(whole);
    if (!left || !right || !merged) fail("a BPE merge names a token that the vocabulary lacks");
    const std::uint64_t pair = pair_of(*left, *right);
    std::size_t at = slot_of(pair);
    while (slots_[at].merge.rank != Merge::kNoRank && slots_[at].pair != pair) at = (at + 1) & mask_;
    if (slots_[at].merge.rank == Merge::kNoRank)
      slots_[at] = {pair, {static_cast<std::uint32_t>(rank), *merged}};
  }
}

}  // namespace sterna
