#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "sterna/error.hpp"
#include "support/paths.hpp"
#include "support/small_tokenizer.hpp"
#include "support/tokenizer_cases.hpp"

namespace sterna {
namespace {

TEST(ByteLevelBpe, TalesCases) {
  const auto tokenizer = Tokenizer::load(testing::fixture("tokenizers/tales/tokenizer.json"));
  EXPECT_EQ(tokenizer->vocab_size(), 4096u);
  testing::expect_cases(*tokenizer,
                        testing::tokenizer_cases(testing::fixture("tokenizers/tales-cases.json")));
}

TEST(ByteLevelBpe, Llama3Cases) {
  STERNA_REQUIRE_SHARED(file, "tokenizers/llama3/tokenizer.json");
  const auto tokenizer = Tokenizer::load(file);
  EXPECT_EQ(tokenizer->vocab_size(), 128256u);
  testing::expect_cases(*tokenizer,
                        testing::tokenizer_cases(testing::shared("tokenizers/llama3-cases.json")));
}

// The definition, word by word: merge the pair that comes first in the list, the leftmost of equals.
std::vector<TokenId> naive(const TokenizerSpec& spec, const std::map<std::string, std::size_t>& ranks,
                           const std::string& letters) {
  std::vector<std::string> parts;
  for (const char c : letters) parts.emplace_back(1, c);
  for (;;) {
    std::size_t best = spec.merges.size(), at = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto rank = ranks.find(parts[i] + " " + parts[i + 1]);
      if (rank != ranks.end() && rank->second < best) best = rank->second, at = i;
    }
    if (best == spec.merges.size()) break;
    parts[at] += parts[at + 1];
    parts.erase(parts.begin() + at + 1);
  }
  std::vector<TokenId> ids;
  for (const auto& part : parts) {
    const auto token = std::find(spec.tokens.begin(), spec.tokens.end(), part);
    ids.push_back(static_cast<TokenId>(token - spec.tokens.begin()));
  }
  return ids;
}

// Lengths on both sides of where the encoder changes its algorithm.
TEST(ByteLevelBpe, WordsOfAnyLengthFollowTheDefinition) {
  const TokenizerSpec spec = read_tokenizer_folder(testing::fixture("tokenizers/tales"));
  const Tokenizer tokenizer(spec);
  std::map<std::string, std::size_t> ranks;
  for (std::size_t rank = 0; rank < spec.merges.size(); ++rank) ranks.emplace(spec.merges[rank], rank);
  std::mt19937 random(1);
  for (std::size_t length = 1; length < 160; ++length) {
    std::string word;
    while (word.size() < length) word += "etaoinshe"[random() % 9];
    EXPECT_EQ(tokenizer.encode(word), naive(spec, ranks, word)) << word;
  }
}

TEST(ByteLevelBpe, AMegabyteWithoutSpaces) {
  const auto tokenizer = Tokenizer::load(testing::fixture("tokenizers/tales/tokenizer.json"));
  std::mt19937 random(2);
  std::string word;
  while (word.size() < 1 << 20) word += static_cast<char>('a' + random() % 26);
  EXPECT_TRUE(tokenizer->decode(tokenizer->encode(word)) == word);
}

TEST(ByteLevelBpe, RepeatedWordsGetTheSameIds) {
  const auto tokenizer = Tokenizer::load(testing::fixture("tokenizers/tales/tokenizer.json"));
  const auto once = tokenizer->encode(" enchanted wolf");
  std::string text;
  std::vector<TokenId> ids;
  for (int i = 0; i < 1000; ++i) {
    text += " enchanted wolf";
    ids.insert(ids.end(), once.begin(), once.end());
  }
  EXPECT_EQ(tokenizer->encode(text), ids);
}

TEST(ByteLevelBpe, WhatIsNoUtf8StandsForItself) {
  const Tokenizer tokenizer(testing::read_json(testing::small_tokenizer_json()));
  EXPECT_EQ(tokenizer.encode("he\xff\xfehe\xc3"), (std::vector<TokenId>{256, 0xff, 0xfe, 256, 0xc3}));
  EXPECT_EQ(tokenizer.encode("\xf0\x9f\x99"), (std::vector<TokenId>{0xf0, 0x9f, 0x99}));
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::string bytes;
    for (int i = 0; i < 50; ++i) bytes += static_cast<char>(random() % 4 ? random() % 256 : 'e');
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(bytes)), bytes);
  }
}

TEST(ByteLevelBpe, IgnoreMergesTakesTheWholeWord) {
  auto json = testing::small_tokenizer_json();
  // "held" can be merged to no more than "he" "ld".
  json["model"]["vocab"]["held"] = 264;
  for (auto& token : json["added_tokens"]) token["id"] = token["id"].get<int>() + 1;
  EXPECT_EQ(Tokenizer(testing::read_json(json)).encode("held").size(), 2u);
  json["model"]["ignore_merges"] = true;
  EXPECT_EQ(Tokenizer(testing::read_json(json)).encode("held"), std::vector<TokenId>{264});
}

TEST(ByteLevelBpe, AVocabularyWithoutAByteSaysSo) {
  TokenizerSpec spec = testing::read_json(testing::small_tokenizer_json());
  spec.tokens.replace(0xf0, "unreachable");
  const Tokenizer tokenizer(spec);
  EXPECT_EQ(tokenizer.encode("he"), std::vector<TokenId>{256});
  try {
    tokenizer.encode("\xf0\x9f\x99\x82");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Unsupported);
    EXPECT_EQ(error.value("byte"), "240");
  }
  spec.unk = 7;
  EXPECT_EQ(Tokenizer(spec).encode("\xf0"), std::vector<TokenId>{7});
}

TEST(ByteLevelBpe, MergesMustFitTheVocabulary) {
  const TokenizerSpec good = testing::read_json(testing::small_tokenizer_json());
  for (const char* merge : {"h", "h e l", "", " ", " e", "h ", "nobody here", "he r"}) {
    TokenizerSpec spec = good;
    spec.merges.push_back(merge);
    try {
      Tokenizer tokenizer(spec);
      FAIL() << merge;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::Format);
      EXPECT_EQ(error.value("index"), "8");
    }
  }
}

}  // namespace
}  // namespace sterna
