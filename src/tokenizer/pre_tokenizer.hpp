// Cuts a text into the words that byte-level BPE merges within.
#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/spec.hpp"
#include "tokenizer/split_pattern.hpp"

namespace sterna {

class PreTokenizer {
 public:
  /// From `spec.patterns`, else `spec.pre`. Throws Unsupported for an unknown name.
  explicit PreTokenizer(const TokenizerSpec& spec);

  /// Calls `word(std::string_view)` for the words of valid UTF-8, in order; together they are the text.
  template <class Word>
  void split(std::string_view text, Word&& word) const {
    split(text, 0, word);
  }

 private:
  template <class Word>
  void split(std::string_view text, std::size_t level, Word& word) const {
    SplitPattern::Matcher matcher(patterns_[level], text);
    for (std::string_view piece = matcher.next(); !piece.empty(); piece = matcher.next()) {
      if (level + 1 == patterns_.size()) {
        word(piece);
      } else {
        split(piece, level + 1, word);
      }
    }
  }

  std::vector<SplitPattern> patterns_;  ///< never empty
};

}  // namespace sterna
