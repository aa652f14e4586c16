#include "tokenizer/sentencepiece.hpp"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "sterna/error.hpp"
#include "tokenizer/utf8.hpp"
#include "tokenizer/word_cache.hpp"

namespace sterna {
namespace {

/// What the library requires of a vocabulary, or takes for granted.
void check_pieces(const TokenizerSpec& spec) {
  std::array<bool, 256> bytes{};
  std::size_t byte_count = 0, unknown_count = 0;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    const std::string_view piece = spec.tokens[id];
    const auto fail = [&](std::string_view reason) {
      throw Error(
          ErrorCategory::Format, "not a piece of a SentencePiece vocabulary",
          {{"id", std::to_string(id)}, {"found", std::string(piece)}, {"reason", std::string(reason)}});
    };
    if (piece.empty()) fail("empty");
    if (!is_utf8(piece)) fail("not UTF-8");
    if (piece.find('\0') != piece.npos) fail("a zero byte");
    if (!std::isfinite(spec.scores[id])) fail("its score is not finite");
    if (spec.types[id] == TokenType::Unknown && ++unknown_count > 1) fail("a second unknown piece");
    if (spec.types[id] == TokenType::Byte) {
      const auto byte = byte_of_piece(piece);
      if (!byte || bytes[*byte]) fail("no byte, or one that came before");
      bytes[*byte] = true;
      ++byte_count;
    }
  }
  if (unknown_count == 0)
    throw Error(ErrorCategory::Format, "a SentencePiece vocabulary without unknown piece");
  if (byte_count != 0 && byte_count != 256) {
    throw Error(ErrorCategory::Format, "a SentencePiece vocabulary with some of the 256 bytes",
                {{"found", std::to_string(byte_count)}});
  }
}

/// Whether a space always begins a piece, so that a text may be cut before any space that follows something
/// else.
bool spaces_begin_pieces(const TokenizerSpec& spec) {
  return std::none_of(spec.tokens.begin(), spec.tokens.end(), [](std::string_view piece) {
    while (piece.starts_with(kSentencePieceSpace)) piece.remove_prefix(kSentencePieceSpace.size());
    return piece.find(kSentencePieceSpace) != piece.npos || piece.find(' ') != piece.npos;
  });
}

class SentencePieceEncoder final : public SubwordEncoder {
 public:
  explicit SentencePieceEncoder(const TokenizerSpec& spec) {
    check_pieces(spec);
    may_cut_ = !spec.unigram && !spec.remove_extra_whitespaces && spaces_begin_pieces(spec);
    // Where spaces are kept, the dummy prefix is a space before the text, and can be left out where a text
    // goes on.
    const bool library_prefix = spec.add_space_prefix && spec.remove_extra_whitespaces;
    own_prefix_ = spec.add_space_prefix && !library_prefix;
    byte_ids_.fill(-1);
    for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
      if (spec.types[id] == TokenType::Byte)
        byte_ids_[*byte_of_piece(spec.tokens[id])] = static_cast<TokenId>(id);
    }
    require(processor_.LoadFromSerializedProto(sentencepiece_model(spec, library_prefix)));
  }

  void encode(std::string_view text, std::vector<TokenId>& ids) const override {
    std::string start;
    if (own_prefix_) start = " ";
    if (byte_ids_[0] < 0)
      return encode_utf8(start.append(text), ids);  // the library puts U+FFFD for what is not UTF-8
    while (!text.empty()) {
      const std::size_t whole = utf8_prefix(text);
      encode_utf8(start.append(text.substr(0, whole)), ids);
      start.clear();
      text.remove_prefix(whole);
      while (!text.empty()) {
        const Utf8Step step = utf8_step(text);
        if (step.status == Utf8Status::Whole) break;
        for (const char c : text.substr(0, step.length))
          ids.push_back(byte_ids_[static_cast<unsigned char>(c)]);
        text.remove_prefix(step.length);
      }
    }
  }

 private:
  /// Word by word where that changes nothing: the library takes a megabyte in a second and some 80 bytes per
  /// byte, and most words occurred before.
  void encode_utf8(std::string_view text, std::vector<TokenId>& ids) const {
    std::vector<int> word_ids;
    WordCache cache(text, ids);
    while (!text.empty()) {
      const auto word = text.substr(0, may_cut_ ? word_length(text) : text.size());
      cache.encode(word, [&] {
        require(processor_.Encode(word, &word_ids));
        ids.insert(ids.end(), word_ids.begin(), word_ids.end());
      });
      text.remove_prefix(word.size());
    }
  }

  /// Up to the first space that follows something else.
  static std::size_t word_length(std::string_view text) {
    for (std::size_t at = text.find(' ', 1); at != text.npos; at = text.find(' ', at + 1)) {
      // U+2581 itself counts as a space.
      if (text[at - 1] != ' ' && !text.substr(0, at).ends_with(kSentencePieceSpace)) return at;
    }
    return text.size();
  }

  static void require(const sentencepiece::util::Status& status) {
    if (!status.ok()) {
      throw Error(ErrorCategory::Format, "SentencePiece refuses the vocabulary",
                  {{"reason", status.ToString()}});
    }
  }

  sentencepiece::SentencePieceProcessor processor_;
  std::array<TokenId, 256> byte_ids_;
  bool may_cut_ = false, own_prefix_ = false;
};

}  // namespace

std::optional<unsigned char> byte_of_piece(std::string_view piece) noexcept {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return std::nullopt;
  const int high = digit(piece[3]), low = digit(piece[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<unsigned char>(high * 16 + low);
}

std::unique_ptr<SubwordEncoder> make_sentencepiece_encoder(const TokenizerSpec& spec) {
  return std::make_unique<SentencePieceEncoder>(spec);
}

}  // namespace sterna
