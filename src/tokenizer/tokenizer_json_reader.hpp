// The JSON of tokenizer.json, with its two large parts read into flat lists.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "tokenizer/spec.hpp"

namespace sterna::tokenizer_json {

struct File {
  /// Everything but `model.vocab` and `model.merges`, which are null here.
  nlohmann::json rest;
  /// `model.vocab` where it is an object.
  std::vector<std::pair<std::string, std::uint64_t>> vocab;
  /// `model.merges` as "left right" lines, however the file writes them.
  StringTable merges;
  bool has_merges = false;  ///< an empty list counts
};

/// Throws Format (without the file's name) for anything but JSON of bounded depth with those parts
/// well-formed.
File parse(Bytes json);

[[noreturn]] void malformed(std::string_view part, std::string_view reason);
[[noreturn]] void unsupported(std::string_view part, std::string_view found, std::string_view possible);

// Access to the rest; a value of another type is malformed.

/// The value of a key, or null.
const nlohmann::json& get(const nlohmann::json& object, const char* key);
std::string text_of(const nlohmann::json& object, const char* key, std::string_view part);
/// False when absent or null.
bool flag_of(const nlohmann::json& object, const char* key, std::string_view part);
/// The "type" of a component.
std::string type_of(const nlohmann::json& component, std::string_view part);
/// The members of a "Sequence", or the component alone; none for null.
std::vector<nlohmann::json> sequence_of(const nlohmann::json& component, const char* members,
                                        std::string_view part);

/// What `tokenizers` makes of a SentencePiece BPE: a BPE over characters whose spaces are U+2581. Turns the
/// spec, whose tokens, types and merges are read, into the SentencePiece vocabulary it came from. Throws
/// Unsupported where that would encode differently.
void read_as_sentencepiece(const nlohmann::json& root, TokenizerSpec& spec);

}  // namespace sterna::tokenizer_json
