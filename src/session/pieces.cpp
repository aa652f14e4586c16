#include "session/pieces.hpp"

#include <algorithm>
#include <string>

#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr std::string_view kPieceSeparator = "\n\n\n";  // two blank lines
constexpr std::string_view kWhitespace = " \t\n\r\f\v";

std::string_view stripped(std::string_view text) {
  const auto first = text.find_first_not_of(kWhitespace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhitespace) - first + 1);
}

}  // namespace

std::vector<TokenId> tokens_of_pieces(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<TokenId> tokens;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(kPieceSeparator, at), text.size());
    const auto piece = stripped(text.substr(at, end - at));
    if (!piece.empty()) {
      const auto ids = tokenizer.encode(std::string(piece) + "\n\n", /*parse_special=*/false);
      tokens.insert(tokens.end(), ids.begin(), ids.end());
    }
    at = end + kPieceSeparator.size();
  }
  return tokens;
}

void check_in_vocabulary(std::span<const TokenId> ids, std::uint32_t vocab) {
  for (const TokenId id : ids) {
    if (id < 0 || static_cast<std::uint32_t>(id) >= vocab) {
      throw Error(ErrorCategory::Mismatch, "the tokenizer has tokens outside the model's vocabulary",
                  {{"found", std::to_string(id)}, {"expected", "0 to " + std::to_string(vocab - 1)}});
    }
  }
}

void TextWindows::copy(std::size_t index, TokenId* out) const {
  *out = bos;
  std::copy_n(tokens.begin() + static_cast<std::ptrdiff_t>(index * step), step, out + 1);
}

TextWindows windows_of(const Tokenizer& tokenizer, std::string_view text, std::uint32_t window,
                       std::string_view what) {
  if (window < 2) {
    throw Error(ErrorCategory::InvalidArgument, "the window is too small",
                {{"found", std::to_string(window)}, {"expected", "at least 2"}});
  }
  const auto bos = tokenizer.bos();
  if (!bos) {
    throw Error(ErrorCategory::Unsupported,
                std::string(what) + " needs a BOS token, and the tokenizer has none");
  }
  TextWindows windows{*bos, tokens_of_pieces(tokenizer, text), window - 1, 0};
  windows.count = windows.tokens.size() / windows.step;
  if (windows.count == 0) {
    throw Error(ErrorCategory::InvalidArgument, "the text is shorter than one window",
                {{"found", std::to_string(windows.tokens.size()) + " tokens"},
                 {"expected", "at least " + std::to_string(windows.step)}});
  }
  return windows;
}

}  // namespace sterna
