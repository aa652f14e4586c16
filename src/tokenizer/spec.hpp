// What a tokenizer is made of, whatever file it came from. tokenizer.json, tokenizer.model and GGUF metadata
// are read into this; a Tokenizer is built from it; `convert` writes it into GGUF metadata.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/string_table.hpp"
#include "sterna/tokenizer.hpp"

namespace sterna {

enum class TokenizerKind : std::uint8_t { ByteLevelBpe, SentencePiece };

/// As in `tokenizer.ggml.token_type`.
enum class TokenType : std::uint8_t {
  Normal = 1,
  Unknown = 2,
  Control = 3,
  UserDefined = 4,
  Unused = 5,
  Byte = 6
};

struct TokenizerSpec {
  TokenizerKind kind = TokenizerKind::ByteLevelBpe;
  /// Id → token text. Byte-level BPE: in GPT-2's byte alphabet ("Ġthe"), added tokens as they are.
  /// SentencePiece: pieces with U+2581 for a space.
  StringTable tokens;
  std::vector<TokenType> types;  ///< one per token
  std::vector<float> scores;     ///< SentencePiece only, one per token
  StringTable merges;            ///< BPE only, "left right", best first
  /// BPE: the pre-tokenizer by its GGUF name ("llama-bpe", "gpt-2", "falcon3", "qwen2"); empty when
  /// `patterns` is set.
  std::string pre;
  /// BPE: the split patterns themselves, each applied to the pieces of the one before, when the file gives
  /// some that no name stands for.
  std::vector<std::string> patterns;
  /// BPE: a word that is itself a token is not merged (`ignore_merges` of tokenizer.json, the default of
  /// llama-bpe).
  bool ignore_merges = false;
  bool unigram = false;                   ///< SentencePiece: a unigram language model; else its BPE
  bool add_space_prefix = false;          ///< SentencePiece's dummy prefix
  bool remove_extra_whitespaces = false;  ///< SentencePiece

  std::optional<TokenId> bos, eos, eot, unk, pad;
  bool add_bos = true;
  bool add_eos = false;
  std::string chat_template;  ///< Jinja source as the file carries it, or empty
};

/// A pre-tokenizer that GGUF files name (`tokenizer.ggml.pre`) instead of carrying its pattern.
struct NamedPreTokenizer {
  std::string_view name;
  std::string_view pattern;
  bool ignore_merges;  ///< what the name implies, as the GGUF has no key for it
  bool add_bos;        ///< where the file does not say
};

std::span<const NamedPreTokenizer> named_pre_tokenizers() noexcept;
/// Throws Unsupported for an unknown name and lists the known ones.
const NamedPreTokenizer& named_pre_tokenizer(std::string_view name);

/// From `tokenizer.json` (byte-level BPE; or a Llama-style BPE with byte fallback, read as SentencePiece).
/// Special ids other than the added tokens' types are left to `tokenizer_config.json` / `config.json`
/// (model/hf). Throws Format or Unsupported.
TokenizerSpec read_tokenizer_json(Bytes json, const std::string& file);

/// From SentencePiece's `tokenizer.model` (BPE and unigram, without a normalisation map).
TokenizerSpec read_sentencepiece_model(Bytes model, const std::string& file);

/// A folder's tokenizer (`tokenizer.json`, else `tokenizer.model`), with `tokenizer_config.json` (bos/eos,
/// add_bos_token, chat_template, also `chat_template.jinja`) and `special_tokens_map.json` where present.
TokenizerSpec read_tokenizer_folder(const std::filesystem::path& folder);

}  // namespace sterna
