// Texts with the ids that a tokenizer's own library gives them.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sterna/tokenizer.hpp"

namespace sterna::testing {

struct TokenizerCase {
  std::string text;
  std::vector<TokenId> ids;
};

inline std::vector<TokenizerCase> tokenizer_cases(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<TokenizerCase> cases;
  for (const auto& entry : nlohmann::json::parse(in))
    cases.push_back({entry["text"].get<std::string>(), entry["ids"].get<std::vector<TokenId>>()});
  return cases;
}

/// The ids are equal; decoding gives the text back, whole and as a stream, where the text spells no special
/// token.
inline void expect_cases(const Tokenizer& tokenizer, const std::vector<TokenizerCase>& cases) {
  EXPECT_GT(cases.size(), 100u);
  for (const auto& [text, ids] : cases) {
    EXPECT_EQ(tokenizer.encode(text), ids) << text;
    bool special = false;
    for (const TokenId id : ids) special |= tokenizer.is_special(id);
    EXPECT_EQ(tokenizer.decode(ids, special), text);
    StreamDecoder decoder(tokenizer, special);
    std::string streamed;
    for (const TokenId id : ids) streamed += decoder.push(id);
    streamed += decoder.finish();
    EXPECT_EQ(streamed, text);
  }
}

}  // namespace sterna::testing
