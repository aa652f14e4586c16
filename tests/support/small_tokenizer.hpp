// A byte-level BPE small enough to be damaged ten thousand times.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/bytes.hpp"
#include "tokenizer/byte_alphabet.hpp"
#include "tokenizer/spec.hpp"

namespace sterna::testing {

/// 256 bytes, the tokens of a few words, and at the end <|begin|>, <|end|> and the user-defined "[tool
/// call]".
inline nlohmann::json small_tokenizer_json() {
  using nlohmann::json;
  json vocab = json::object(), merges = json::array();
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    std::string text;
    append_in_byte_alphabet(text, {&c, 1});
    vocab[text] = byte;
  }
  for (const auto& [left, right] : {std::pair{"h", "e"},
                                    {"\u0120", "t"},
                                    {"\u0120t", "he"},
                                    {"l", "l"},
                                    {"he", "ll"},
                                    {"hell", "o"},
                                    {"o", "r"},
                                    {"l", "d"}}) {
    merges.push_back(std::string(left) + " " + right);
    vocab[std::string(left) + right] = vocab.size();
  }
  json added = json::array();
  for (const char* token : {"<|begin|>", "<|end|>", "[tool call]"}) {
    added.push_back({{"id", vocab.size() + added.size()},
                     {"content", token},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", token[0] == '<'}});
  }
  const std::string pattern(named_pre_tokenizer("llama-bpe").pattern);
  return {
      {"version", "1.0"},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}},
          {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single",
         {{{"SpecialToken", {{"id", "<|begin|>"}, {"type_id", 0}}}},
          {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}}}},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"byte_fallback", false},
        {"ignore_merges", false},
        {"vocab", vocab},
        {"merges", merges}}}};
}

inline TokenizerSpec read_json(const nlohmann::json& json) {
  const std::string text = json.dump();
  return read_tokenizer_json(as_bytes(text), "small.json");
}

}  // namespace sterna::testing
