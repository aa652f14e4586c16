// What a tokenizer is made of, whatever file it came from. tokenizer.json, tokenizer.model and GGUF metadata
// are read into this; a Tokenizer is built from it; `convert` writes it into GGUF metadata.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
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
  std::vector<std::string> tokens;
  std::vector<TokenType> types;     ///< one per token
  std::vector<float> scores;        ///< SentencePiece only, one per token
  std::vector<std::string> merges;  ///< BPE only, "left right", best first
  /// BPE: the pre-tokenizer by its GGUF name ("llama-bpe", "gpt-2", "falcon3", "qwen2"); empty when `pattern`
  /// is set.
  std::string pre;
  /// BPE: the split pattern itself, when the file gives one that no name stands for.
  std::string pattern;
  /// BPE: a word that is itself a token is not merged (`ignore_merges` of tokenizer.json, the default of
  /// llama-bpe).
  bool ignore_merges = false;
  bool add_space_prefix = false;          ///< SentencePiece's dummy prefix
  bool remove_extra_whitespaces = false;  ///< SentencePiece
  std::string
      sentencepiece_model;  ///< the .model file's bytes, when there is one; else rebuilt from the above

  std::optional<TokenId> bos, eos, eot, unk, pad;
  bool add_bos = true;
  bool add_eos = false;
  std::string chat_template;  ///< Jinja source as the file carries it, or empty
};

/// From `tokenizer.json` (byte-level BPE; or a Llama-style BPE with byte fallback, read as SentencePiece).
/// Special ids other than the added tokens' types are left to `tokenizer_config.json` / `config.json`
/// (model/hf). Throws Format or Unsupported.
TokenizerSpec read_tokenizer_json(Bytes json, const std::string& file);

/// From SentencePiece's `tokenizer.model` (BPE and unigram).
TokenizerSpec read_sentencepiece_model(Bytes model, const std::string& file);

/// A folder's tokenizer (`tokenizer.json`, else `tokenizer.model`), with `tokenizer_config.json` (bos/eos,
/// add_bos_token, chat_template, also `chat_template.jinja`) and `special_tokens_map.json` where present.
TokenizerSpec read_tokenizer_folder(const std::filesystem::path& folder);

}  // namespace sterna
