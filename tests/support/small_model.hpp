// A float model of any small shape with a tokenizer of bytes, and a text for it.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "support/float_checkpoint.hpp"
#include "support/small_tokenizer.hpp"

namespace sterna::testing {

/// A Hugging Face folder; the vocabulary is the tokenizer's.
inline void small_model_folder(const std::filesystem::path& folder, SmallShape shape) {
  const auto tokenizer = small_tokenizer_json();
  shape.vocab = 272;  // its 267 tokens, and rows that stand for none
  auto checkpoint = small_checkpoint(shape);
  checkpoint.config["bos_token_id"] = tokenizer["added_tokens"][0]["id"];
  checkpoint.write(folder);
  std::ofstream(folder / "tokenizer.json") << tokenizer;
}

/// A text of that many bytes or a few more; bytes are its tokens, but for a few words.
inline std::string numbered_words(std::size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i) text += "word " + std::to_string(i * 7919 % 1000) + ", ";
  return text;
}

}  // namespace sterna::testing
