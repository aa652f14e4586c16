// Text to token ids and back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sterna {

/// Position in the vocabulary.
using TokenId = std::int32_t;

struct TokenizerSpec;

/// Byte-level BPE (Sennrich et al. 2016; GPT-2's byte alphabet) or SentencePiece (Kudo & Richardson 2018).
/// Immutable: one instance serves any number of threads.
class Tokenizer {
 public:
  /// From a `tokenizer.json`, a `tokenizer.model`, or a folder that holds one of them. (A GGUF file's:
  /// Model::tokenizer.)
  static std::shared_ptr<const Tokenizer> load(const std::filesystem::path& path);
  /// Throws Format when the parts contradict each other (a merge of unknown tokens, types of another length).
  explicit Tokenizer(TokenizerSpec spec);
  ~Tokenizer();

  /// Ids of the text; BOS and EOS are not added. With `parse_special`, special tokens written out
  /// ("<|eot_id|>") become their one id; without, they are ordinary text. Text that is not UTF-8 is encoded
  /// byte for byte where the vocabulary has bytes.
  std::vector<TokenId> encode(std::string_view text, bool parse_special = true) const;

  /// The text of the ids. Special (control) tokens give nothing unless `keep_special`. Throws InvalidArgument
  /// for an id outside the vocabulary.
  std::string decode(std::span<const TokenId> ids, bool keep_special = false) const;

  /// The bytes a token adds to a text; may be part of a UTF-8 character. A SentencePiece dummy prefix is not
  /// removed here.
  std::string_view token_bytes(TokenId id) const;
  /// The token as the vocabulary spells it.
  std::string_view token_text(TokenId id) const;
  /// The id of a token as the vocabulary spells it.
  std::optional<TokenId> find(std::string_view token) const;
  bool is_special(TokenId id) const;

  std::size_t vocab_size() const noexcept;
  std::optional<TokenId> bos() const noexcept;
  std::optional<TokenId> eos() const noexcept;
  /// Every id that ends an answer: eos, eot, and the known end-of-turn tokens of the vocabulary (<|eot_id|>,
  /// <|im_end|>, …).
  std::span<const TokenId> end_tokens() const noexcept;
  bool adds_bos() const noexcept;
  /// What it was made from, but for the merges, which are in a table by then.
  const TokenizerSpec& spec() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

/// Decodes a stream of tokens without ever handing out half a UTF-8 character: bytes wait until the character
/// is whole. Bytes that can never become one come out as U+FFFD.
class StreamDecoder {
 public:
  /// `at_start` says that the first token begins a text, where SentencePiece's dummy prefix is dropped; pass
  /// false when the tokens continue one, as an answer continues its prompt.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool keep_special = false, bool at_start = true);
  /// The text that the token completes; may be empty. Valid until the next call; does not allocate once warm.
  std::string_view push(TokenId id);
  /// What is left at the end (U+FFFD for an unfinished character).
  std::string_view finish();

 private:
  const Tokenizer* tokenizer_;
  bool keep_special_;
  bool at_start_;
  std::string pending_;
  std::string out_;
};

}  // namespace sterna
