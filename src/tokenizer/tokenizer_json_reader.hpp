// The JSON of tokenizer.json, with its two large parts read into flat lists.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"

namespace sterna {

struct TokenizerJson {
  /// Everything but `model.vocab` and `model.merges`.
  nlohmann::json rest;
  /// `model.vocab` where it is an object.
  std::vector<std::pair<std::string, std::uint64_t>> vocab;
  /// `model.merges` as "left right" lines, however the file writes them.
  std::vector<std::string> merges;
};

/// Throws Format (without the file's name) for anything but JSON of bounded depth with those parts
/// well-formed.
TokenizerJson parse_tokenizer_json(Bytes json);

}  // namespace sterna
