// SentencePiece vocabularies (Kudo & Richardson 2018), encoded by its own library.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tokenizer/subword_encoder.hpp"

namespace sterna {

/// How SentencePiece writes a space: U+2581.
inline constexpr std::string_view kSentencePieceSpace = "\u2581";

/// The byte that a piece like "<0x0A>" stands for.
std::optional<unsigned char> byte_of_piece(std::string_view piece) noexcept;

/// The serialised ModelProto of the spec's pieces, scores and types, without its dummy prefix unless
/// `with_dummy_prefix`.
std::string sentencepiece_model(const TokenizerSpec& spec, bool with_dummy_prefix);

/// Throws Format for pieces that SentencePiece would not take.
std::unique_ptr<SubwordEncoder> make_sentencepiece_encoder(const TokenizerSpec& spec);

}  // namespace sterna
