#include "sterna/tokenizer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <thread>

#include "sterna/error.hpp"
#include "support/paths.hpp"
#include "support/small_tokenizer.hpp"
#include "tokenizer/utf8.hpp"

namespace sterna {
namespace {

using Ids = std::vector<TokenId>;

constexpr TokenId kBegin = 264, kEnd = 265, kTool = 266;  // of the small tokenizer

TokenizerSpec small() {
  return testing::read_json(testing::small_tokenizer_json());
}

TEST(Tokenizer, SpecialTokensOnlyWhereAskedFor) {
  const Tokenizer tokenizer(small());
  EXPECT_EQ(tokenizer.encode("he<|end|>he"), (Ids{256, kEnd, 256}));
  const Ids spelled = tokenizer.encode("<|end|>", false);
  EXPECT_EQ(spelled.size(), 7u);
  EXPECT_EQ(tokenizer.decode(spelled), "<|end|>");
  // What is user-defined is no command: it is found in either case, with its space.
  EXPECT_EQ(tokenizer.encode("he[tool call]", false), (Ids{256, kTool}));
  EXPECT_EQ(tokenizer.decode(Ids{kTool}), "[tool call]");
}

TEST(Tokenizer, SpecialTokensDecodeOnlyWhenKept) {
  const Tokenizer tokenizer(small());
  const Ids ids = {kBegin, 256, kEnd};
  EXPECT_EQ(tokenizer.decode(ids), "he");
  EXPECT_EQ(tokenizer.decode(ids, true), "<|begin|>he<|end|>");
  EXPECT_TRUE(tokenizer.is_special(kEnd));
  EXPECT_FALSE(tokenizer.is_special(kTool));
}

TEST(Tokenizer, LooksTokensUp) {
  const Tokenizer tokenizer(small());
  EXPECT_EQ(tokenizer.find("\u0120the"), 258);
  EXPECT_EQ(tokenizer.token_text(258), "\u0120the");
  EXPECT_EQ(tokenizer.token_bytes(258), " the");
  EXPECT_EQ(tokenizer.token_bytes(0xff), "\xff");
  EXPECT_EQ(tokenizer.find(" the"), std::nullopt);
  EXPECT_EQ(tokenizer.find(""), std::nullopt);
  EXPECT_EQ(tokenizer.bos(), kBegin);
  EXPECT_TRUE(tokenizer.adds_bos());
}

TEST(Tokenizer, IdsOutsideTheVocabularyAreErrors) {
  const Tokenizer tokenizer(small());
  StreamDecoder decoder(tokenizer);
  for (const TokenId id : {-1, 267, 1 << 30}) {
    EXPECT_THROW(tokenizer.decode(Ids{id}), Error);
    EXPECT_THROW(tokenizer.token_bytes(id), Error);
    EXPECT_THROW(tokenizer.token_text(id), Error);
    EXPECT_THROW(tokenizer.is_special(id), Error);
    EXPECT_THROW(decoder.push(id), Error);
  }
}

TEST(Tokenizer, PartsThatContradictEachOtherAreErrors) {
  const auto refused = [](auto change) {
    TokenizerSpec spec = small();
    change(spec);
    try {
      Tokenizer tokenizer(std::move(spec));
    } catch (const Error& error) {
      return error.category() == ErrorCategory::Format;
    }
    return false;
  };
  EXPECT_FALSE(refused([](TokenizerSpec&) {}));
  EXPECT_TRUE(refused([](TokenizerSpec& spec) { spec.types.pop_back(); }));
  EXPECT_TRUE(refused([](TokenizerSpec& spec) { spec.tokens.clear(), spec.types.clear(); }));
  EXPECT_TRUE(refused([](TokenizerSpec& spec) { spec.tokens.replace(3, spec.tokens[4]); }));
  EXPECT_TRUE(refused([](TokenizerSpec& spec) { spec.eos = 267; }));
  EXPECT_TRUE(refused([](TokenizerSpec& spec) { spec.bos = -1; }));
  EXPECT_TRUE(refused([](TokenizerSpec& spec) { spec.kind = TokenizerKind::SentencePiece; }));
}

TEST(Tokenizer, EndTokensAreAllThatEndAnAnswer) {
  TokenizerSpec spec = small();
  const auto add = [&](const char* text, TokenType type) {
    spec.tokens.push_back(text);
    spec.types.push_back(type);
    return static_cast<TokenId>(spec.tokens.size() - 1);
  };
  spec.eos = kEnd;
  const TokenId eot = add("<|eot_id|>", TokenType::Control);
  add("</s>", TokenType::Normal);  // a word like another
  const TokenId turn = add("<|im_end|>", TokenType::UserDefined);
  const Tokenizer tokenizer(spec);
  const auto ends = tokenizer.end_tokens();
  EXPECT_EQ(Ids(ends.begin(), ends.end()), (Ids{kEnd, eot, turn}));
}

// BitNet b1.58 2B4T: its files name 128001, its answers end with 128009.
TEST(Tokenizer, EndTokensOfLlama3) {
  STERNA_REQUIRE_SHARED(file, "tokenizers/llama3/tokenizer.json");
  const auto tokenizer = Tokenizer::load(file);
  const auto ends = tokenizer->end_tokens();
  for (const TokenId id : {128001, 128009}) EXPECT_EQ(std::count(ends.begin(), ends.end(), id), 1);
}

/// With U+FFFD for what is no UTF-8.
std::string replaced(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const Utf8Step step = utf8_step(bytes);
    text += step.status == Utf8Status::Whole ? bytes.substr(0, step.length) : "\uFFFD";
    bytes.remove_prefix(step.length);
  }
  return text;
}

TEST(StreamDecoder, AddsUpToTheWholeTextForAnyIds) {
  std::mt19937 random(4);
  for (const char* file : {"tokenizers/tales/tokenizer.json", "tokenizers/spm/tokenizer.model"}) {
    const auto tokenizer = Tokenizer::load(testing::fixture(file));
    for (int round = 0; round < 300; ++round) {
      const bool keep_special = round % 2;
      Ids ids;
      for (int i = 0; i < 40; ++i)
        ids.push_back(static_cast<TokenId>(random() % (i % 2 ? 300 : tokenizer->vocab_size())));
      StreamDecoder decoder(*tokenizer, keep_special);
      std::string streamed;
      for (const TokenId id : ids) {
        const auto piece = decoder.push(id);
        EXPECT_TRUE(is_utf8(piece));
        streamed += piece;
      }
      streamed += decoder.finish();
      EXPECT_EQ(streamed, replaced(tokenizer->decode(ids, keep_special)));
    }
  }
}

TEST(StreamDecoder, HoldsACharacterBackUntilItIsWhole) {
  const Tokenizer tokenizer(small());
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(0xf0), "");
  EXPECT_EQ(decoder.push(0x9f), "");
  EXPECT_EQ(decoder.push(kEnd), "");  // says nothing and ends no character
  EXPECT_EQ(decoder.push(0x99), "");
  EXPECT_EQ(decoder.push(0x82), "\U0001F642");
  EXPECT_EQ(decoder.push(0xc3), "");
  EXPECT_EQ(decoder.push('a'), "\uFFFDa");
  EXPECT_EQ(decoder.push(0xe2), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, DropsTheDummyPrefixOnlyAtTheStartOfAText) {
  const auto tokenizer = Tokenizer::load(testing::fixture("tokenizers/spm/tokenizer.model"));
  const Ids ids = tokenizer->encode("the king");
  ASSERT_TRUE(tokenizer->token_bytes(ids[0]).starts_with(' '));
  const auto streamed = [&](StreamDecoder decoder) {
    std::string text;
    for (const TokenId id : ids) text += decoder.push(id);
    return text;
  };
  EXPECT_EQ(streamed(StreamDecoder(*tokenizer)), "the king");
  EXPECT_EQ(streamed(StreamDecoder(*tokenizer, false, false)), " the king");
}

TEST(Tokenizer, OneInstanceServesManyThreads) {
  for (const char* file : {"tokenizers/tales/tokenizer.json", "tokenizers/spm/tokenizer.model"}) {
    const auto tokenizer = Tokenizer::load(testing::fixture(file));
    const std::string text = "Once upon a time there was a king\xff, 3 sons and a caf\u00e9.";
    const Ids expected = tokenizer->encode(text);
    std::vector<Ids> found(4);
    std::vector<std::thread> threads;
    for (Ids& ids : found) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) ids = tokenizer->encode(tokenizer->decode(tokenizer->encode(text)));
      });
    }
    for (auto& thread : threads) thread.join();
    for (const Ids& ids : found) EXPECT_EQ(ids, expected);
  }
}

TEST(Tokenizer, FilesThatCannotBeReadAreErrors) {
  const auto refused = [](const std::filesystem::path& path) {
    try {
      Tokenizer::load(path);
    } catch (const Error& error) {
      return std::string(to_string(error.category()));
    }
    return std::string("loaded");
  };
  const auto folder = testing::scratch();
  EXPECT_EQ(refused(folder / "missing.json"), "io");
  EXPECT_EQ(refused(folder), "io");  // holds no tokenizer
  std::ofstream(folder / "empty.json");
  EXPECT_EQ(refused(folder / "empty.json"), "format");
  std::ofstream(folder / "empty.model");
  EXPECT_EQ(refused(folder / "empty.model"), "format");
}

}  // namespace
}  // namespace sterna
