// Finds tokens that a text spells out ("<|eot_id|>").
#pragma once

#include <array>
#include <bitset>
#include <string_view>
#include <vector>

#include "sterna/tokenizer.hpp"

namespace sterna {

/// The leftmost, then longest, of a set of tokens.
class SpecialTokens {
 public:
  struct Match {
    std::size_t at = std::string_view::npos;  ///< npos: none
    std::size_t length = 0;
    TokenId id = -1;
  };

  /// The texts must stay where they are. Throws Unsupported for one that is absurdly long.
  void add(std::string_view text, TokenId id);
  /// To be called once, after the last add().
  void prepare();
  /// The first match at or after `from`.
  Match find(std::string_view text, std::size_t from) const;

 private:
  struct Entry {
    std::string_view text;
    TokenId id;
  };
  std::vector<Entry> entries_;  ///< sorted by text
  std::bitset<256> first_byte_;
};

}  // namespace sterna
