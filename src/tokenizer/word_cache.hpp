// The ids of words that occurred before in the same text.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>
#include <vector>

#include "sterna/tokenizer.hpp"

namespace sterna {

/// Direct-mapped: a slot holds where the last word with its hash lies in the text, and where its ids lie in
/// the output. Both must stay the same objects while the cache lives; ids are only appended.
class WordCache {
 public:
  WordCache(std::string_view text, std::vector<TokenId>& ids)
      : text_(text), ids_(ids), first_id_(ids.size()) {
    // A text of n bytes has about n/5 words, of which few are distinct; 2^15 slots hold what natural text
    // repeats.
    slots_.resize(std::bit_ceil(std::clamp<std::size_t>(text.size() / 8, 16, 1 << 15)));
  }

  /// Appends the ids of a word that is part of the text: those it got before, or what `append_ids()` appends.
  template <class AppendIds>
  void encode(std::string_view word, AppendIds&& append_ids) {
    Slot& slot = slots_[std::hash<std::string_view>{}(word) & (slots_.size() - 1)];
    if (slot.length == word.size() && std::memcmp(text_.data() + slot.at, word.data(), word.size()) == 0) {
      for (std::uint32_t i = 0; i < slot.count; ++i) ids_.push_back(ids_[first_id_ + slot.id_at + i]);
      return;
    }
    const std::size_t before = ids_.size();
    append_ids();
    const std::size_t at = static_cast<std::size_t>(word.data() - text_.data());
    if (at + word.size() > UINT32_MAX || ids_.size() - first_id_ > UINT32_MAX) return;  // beyond 4 GB
    slot = {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(word.size()),
            static_cast<std::uint32_t>(before - first_id_), static_cast<std::uint32_t>(ids_.size() - before)};
  }

 private:
  struct Slot {
    std::uint32_t at = 0, length = 0;    ///< in the text; length 0: free
    std::uint32_t id_at = 0, count = 0;  ///< in the output, from where this text's ids begin
  };
  std::string_view text_;
  std::vector<TokenId>& ids_;
  std::size_t first_id_;
  std::vector<Slot> slots_;
};

}  // namespace sterna
