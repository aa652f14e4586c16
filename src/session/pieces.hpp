// A text as the tokens that perplexity and calibration evaluate.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "sterna/tokenizer.hpp"

namespace sterna {

/// The text is cut into pieces at two blank lines, each is stripped, gets two newlines and is tokenised
/// without specials; all are concatenated (docs/formats.md).
std::vector<TokenId> tokens_of_pieces(const Tokenizer& tokenizer, std::string_view text);

/// Throws Mismatch for an id that the model has no row for.
void check_in_vocabulary(std::span<const TokenId> ids, std::uint32_t vocab);

/// Such tokens cut into windows of BOS and `window` − 1 tokens; the rest is dropped.
struct TextWindows {
  TokenId bos;
  std::vector<TokenId> tokens;
  std::size_t step;   ///< window − 1
  std::size_t count;  ///< at least 1

  /// Writes the window's tokens [window].
  void copy(std::size_t index, TokenId* out) const;
};

/// Throws InvalidArgument for a window below 2 or a text that is shorter than one, Unsupported for a
/// tokenizer without BOS; `what` needs it.
TextWindows windows_of(const Tokenizer& tokenizer, std::string_view text, std::uint32_t window,
                       std::string_view what);

}  // namespace sterna
