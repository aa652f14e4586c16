#include <algorithm>
#include <array>

#include "tokenizer/merge_table.hpp"
#include "tokenizer/sentencepiece.hpp"
#include "tokenizer/tokenizer_json_reader.hpp"
#include "tokenizer/utf8.hpp"

namespace sterna::tokenizer_json {
namespace {

using nlohmann::json;

/// SentencePiece's own limit is 16 characters unless a trainer raises it; bounds the work of trying all
/// splits.
constexpr std::size_t kMaxPieceLength = 512;

bool is_space_mark(const json& value) {
  return value.is_string() && value.get_ref<const std::string&>() == kSentencePieceSpace;
}

/// Spaces become U+2581 in the normalizer, or in the pre-tokenizer Metaspace; either may put one before the
/// text.
void read_spaces(const json& root, TokenizerSpec& spec) {
  bool replaced = false;
  for (const json& step : sequence_of(get(root, "normalizer"), "normalizers", "normalizer")) {
    const auto type = type_of(step, "normalizer");
    const json& pattern = get(step, "pattern");
    if (type == "Prepend" && is_space_mark(get(step, "prepend"))) {
      spec.add_space_prefix = true;
    } else if (type == "Replace" && pattern.is_object() && get(pattern, "String") == " " &&
               is_space_mark(get(step, "content"))) {
      replaced = true;
    } else {
      unsupported("normalizer", type, "Prepend and Replace of spaces");
    }
  }
  for (const json& step : sequence_of(get(root, "pre_tokenizer"), "pretokenizers", "pre_tokenizer")) {
    const auto type = type_of(step, "pre_tokenizer");
    if (type != "Metaspace" || replaced || !is_space_mark(get(step, "replacement")))
      unsupported("pre_tokenizer", type, "Metaspace, none");
    if (get(step, "split") != false) unsupported("pre_tokenizer", "Metaspace that splits", "without");
    const json& scheme = get(step, "prepend_scheme");
    if (scheme != "always" && scheme != "never")
      unsupported("pre_tokenizer", "Metaspace with another prepend_scheme", "always, never");
    spec.add_space_prefix = scheme == "always";
    replaced = true;
  }
  if (!replaced) unsupported("normalizer", "spaces that stay", "U+2581 for spaces");
}

void check_decoder(const json& root) {
  constexpr std::array<std::string_view, 5> kKnown = {"Replace", "ByteFallback", "Fuse", "Strip",
                                                      "Metaspace"};
  for (const json& step : sequence_of(get(root, "decoder"), "decoders", "decoder")) {
    const auto type = type_of(step, "decoder");
    if (std::find(kKnown.begin(), kKnown.end(), type) == kKnown.end())
      unsupported("decoder", type, "Replace, ByteFallback, Fuse, Strip, Metaspace");
  }
}

/// SentencePiece merges any two neighbours that make a piece, so every split of a piece must be a merge.
void check_all_splits(const TokenizerSpec& spec, const TokenIndex& index, const MergeTable& merges) {
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    const std::string_view piece = spec.tokens[id];
    if (spec.types[id] != TokenType::Normal) continue;
    if (piece.size() > kMaxPieceLength) unsupported("model", "a very long token", "shorter ones");
    for (std::size_t at = 0; at < piece.size();) {
      at += utf8_step(piece.substr(at)).length;
      const auto left = index.find(piece.substr(0, at)), right = index.find(piece.substr(at));
      if (!left || !right || spec.types[*left] != TokenType::Normal ||
          spec.types[*right] != TokenType::Normal)
        continue;
      if (merges.find(*left, *right).rank == Merge::kNoRank)
        unsupported("model", "merges that are not SentencePiece's", "all splits of a token");
    }
  }
}

/// And it orders them by the score of the piece they make, so the merges into one piece must follow each
/// other.
void scores_from_merges(TokenizerSpec& spec, const TokenIndex& index) {
  // Pieces that no merge makes are characters, whose score does not matter.
  spec.scores.assign(spec.tokens.size(), -static_cast<float>(spec.merges.size()) - 1);
  std::vector<bool> seen(spec.tokens.size());
  std::optional<TokenId> last;
  std::string piece;
  float score = 0;
  for (const std::string_view merge : spec.merges) {
    const std::size_t space = merge.find(' ');
    piece.assign(merge.substr(0, space)).append(merge.substr(space + 1));
    const auto id = index.find(piece);
    if (id == last) continue;
    if (seen[*id]) unsupported("model", "merges that are not SentencePiece's", "those of a token together");
    seen[*id] = true;
    spec.scores[*id] = score--;
    last = id;
  }
}

}  // namespace

void read_as_sentencepiece(const json& root, TokenizerSpec& spec) {
  constexpr std::size_t kExactFloats = 1 << 24;
  if (spec.merges.size() >= kExactFloats) unsupported("model", "too many merges", "fewer");
  if (spec.ignore_merges) unsupported("model", "byte_fallback with ignore_merges", "one of them");
  read_spaces(root, spec);
  check_decoder(root);
  spec.kind = TokenizerKind::SentencePiece;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.types[id] == TokenType::Normal && byte_of_piece(spec.tokens[id]))
      spec.types[id] = TokenType::Byte;
  }
  if (spec.unk) spec.types[*spec.unk] = TokenType::Unknown;
  const TokenIndex index(spec.tokens);
  check_all_splits(spec, index, MergeTable(spec.merges, index));  // which checks the lines as well
  scores_from_merges(spec, index);
  spec.merges.clear();
}

}  // namespace sterna::tokenizer_json
