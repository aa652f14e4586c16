#include <gtest/gtest.h>

#include <functional>

#include "sterna/error.hpp"
#include "sterna/log.hpp"
#include "support/small_tokenizer.hpp"

namespace sterna {
namespace {

using nlohmann::json;

/// "format: reason", "unsupported: part found", or "read".
std::string outcome(const std::string& text) {
  try {
    Tokenizer tokenizer(read_tokenizer_json(as_bytes(text), "t.json"));
    return "read";
  } catch (const Error& error) {
    if (error.category() == ErrorCategory::Unsupported)
      return "unsupported: " + std::string(error.value("part")) + ": " + std::string(error.value("found"));
    return std::string(to_string(error.category())) + ": " + std::string(error.what());
  }
}

std::string outcome(const std::function<void(json&)>& change) {
  json tokenizer = testing::small_tokenizer_json();
  change(tokenizer);
  return outcome(tokenizer.dump());
}

void expect_format(const std::function<void(json&)>& change, std::string_view reason) {
  const std::string found = outcome(change);
  EXPECT_TRUE(found.starts_with("format: ") && found.find(reason) != found.npos)
      << found << "\nexpected " << reason;
}

void expect_unsupported(const std::function<void(json&)>& change, std::string_view what) {
  EXPECT_EQ(outcome(change), "unsupported: " + std::string(what));
}

TEST(TokenizerJson, TheSmallOne) {
  const TokenizerSpec spec = testing::read_json(testing::small_tokenizer_json());
  EXPECT_EQ(spec.kind, TokenizerKind::ByteLevelBpe);
  EXPECT_EQ(spec.pre, "llama-bpe");
  EXPECT_TRUE(spec.patterns.empty());
  EXPECT_EQ(spec.tokens.size(), 267u);
  EXPECT_EQ(spec.merges.size(), 8u);
  EXPECT_EQ(spec.types[0], TokenType::Normal);
  EXPECT_EQ(spec.types[264], TokenType::Control);
  EXPECT_EQ(spec.types[266], TokenType::UserDefined);
  EXPECT_EQ(spec.bos, 264);
  EXPECT_TRUE(spec.add_bos);
  EXPECT_FALSE(spec.add_eos);
}

TEST(TokenizerJson, MergesInBothForms) {
  json tokenizer = testing::small_tokenizer_json();
  const auto lines = testing::read_json(tokenizer).merges;
  json pairs = json::array();
  for (const auto& line : lines)
    pairs.push_back({line.substr(0, line.find(' ')), line.substr(line.find(' ') + 1)});
  tokenizer["model"]["merges"] = pairs;
  EXPECT_EQ(testing::read_json(tokenizer).merges, lines);
}

TEST(TokenizerJson, PreTokenizersByNameOrPattern) {
  const auto read = [](const json& pre_tokenizer) {
    json tokenizer = testing::small_tokenizer_json();
    tokenizer["pre_tokenizer"] = pre_tokenizer;
    return testing::read_json(tokenizer);
  };
  const auto split = [](std::string_view pattern) {
    return json{
        {"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  };
  const json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  const json gpt2 = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};  // use_regex absent
  const auto sequence = [](const json& steps) {
    return json{{"type", "Sequence"}, {"pretokenizers", steps}};
  };

  EXPECT_EQ(read(gpt2).pre, "gpt-2");
  EXPECT_EQ(read(sequence({split(named_pre_tokenizer("qwen2").pattern), byte_level})).pre, "qwen2");
  json removed = split(named_pre_tokenizer("llama-bpe").pattern);
  removed["behavior"] = "Removed";
  removed["invert"] = true;
  EXPECT_EQ(read(sequence({removed, byte_level})).pre, "llama-bpe");

  const auto own = read(sequence({split(R"(\p{L}+)"), byte_level}));
  EXPECT_EQ(own.pre, "");
  EXPECT_EQ(own.patterns, std::vector<std::string>{R"(\p{L}+)"});

  const auto steps = read(sequence({{{"type", "Punctuation"}, {"behavior", "Contiguous"}},
                                    {{"type", "Digits"}, {"individual_digits", true}},
                                    {{"type", "Digits"}, {"individual_digits", false}},
                                    gpt2}));
  ASSERT_EQ(steps.patterns.size(), 4u);
  EXPECT_EQ(steps.patterns[1], R"(\p{N})");
  EXPECT_EQ(steps.patterns[2], R"(\p{N}+)");
  EXPECT_EQ(steps.patterns[3], named_pre_tokenizer("gpt-2").pattern);
}

TEST(TokenizerJson, WhatIsNotImplementedIsNamed) {
  expect_unsupported([](json& t) { t["normalizer"] = {{"type", "NFKC"}}; }, "normalizer: NFKC");
  expect_unsupported(
      [](json& t) {
        t["pre_tokenizer"] = {{"type", "Whitespace"}};
      },
      "pre_tokenizer: Whitespace");
  expect_unsupported([](json& t) { t["pre_tokenizer"] = nullptr; }, "pre_tokenizer: none that is ByteLevel");
  expect_unsupported(
      [](json& t) {
        t["pre_tokenizer"]["pretokenizers"].push_back({{"type", "Digits"}});
      },
      "pre_tokenizer: Digits after ByteLevel");
  expect_unsupported([](json& t) { t["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "MergedWithNext"; },
                     "pre_tokenizer: Split with behavior MergedWithNext");
  expect_unsupported(
      [](json& t) {
        t["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {{"String", " "}};
      },
      "pre_tokenizer: Split by a literal text");
  expect_unsupported([](json& t) { t["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; },
                     "pre_tokenizer: ByteLevel with add_prefix_space");
  expect_unsupported(
      [](json& t) {
        t["post_processor"] = {{"type", "BertProcessing"}};
      },
      "post_processor: BertProcessing");
  expect_unsupported([](json& t) { t["decoder"] = {{"type", "WordPiece"}}; }, "decoder: WordPiece");
  expect_unsupported([](json& t) { t["decoder"] = nullptr; }, "decoder: none");
  expect_unsupported([](json& t) { t["model"]["type"] = "Unigram"; }, "model: Unigram");
  expect_unsupported([](json& t) { t["model"]["dropout"] = 0.1; }, "model: dropout");
  expect_unsupported([](json& t) { t["model"]["end_of_word_suffix"] = "</w>"; }, "model: end_of_word_suffix");
  for (const char* flag : {"single_word", "lstrip", "rstrip"}) {
    expect_unsupported([&](json& t) { t["added_tokens"][0][flag] = true; },
                       "added_tokens: <|begin|> with " + std::string(flag));
  }
}

TEST(TokenizerJson, ComposingCharactersIsLeftOutWithAWarning) {
  std::string warning;
  set_log_sink([&](LogLevel, std::string_view message) { warning = message; });
  EXPECT_EQ(outcome([](json& t) { t["normalizer"] = {{"type", "NFC"}}; }), "read");
  set_log_sink({});
  EXPECT_NE(warning.find("NFC"), std::string::npos);
  EXPECT_NE(warning.find("t.json"), std::string::npos);
}

TEST(TokenizerJson, VocabulariesThatContradictThemselves) {
  expect_format([](json& t) { t["model"]["vocab"]["x"] = 500; }, "beyond the number of tokens");
  expect_format([](json& t) { t["model"]["vocab"]["x"] = 1ull << 63; }, "beyond the number of tokens");
  expect_format([](json& t) { t["model"]["vocab"]["x1"] = 5; }, "id 5 occurs twice");
  expect_format([](json& t) { t["model"]["vocab"]["he"] = 267; }, "beyond the number of tokens");
  expect_format([](json& t) { t["model"]["vocab"].erase("he"); }, "beyond the number of tokens");
  expect_format([](json& t) { t["model"]["vocab"]["x1"] = -1; }, "not a whole number");
  expect_format([](json& t) { t["model"]["vocab"]["x1"] = "5"; }, "not a whole number");
  expect_format([](json& t) { t["model"]["vocab"]["x1"] = {1}; }, "not a whole number");
  expect_format([](json& t) { t["model"]["vocab"] = json::object(); }, "no vocabulary");
  expect_format([](json& t) { t["model"]["vocab"] = 7; }, "no vocabulary");
  expect_format([](json& t) { t["model"].erase("vocab"); }, "no vocabulary");
  expect_format([](json& t) { t.erase("model"); }, "not an object");
  expect_format([](json& t) { t["added_tokens"][0]["id"] = 5; }, "id 5 is another token");
  expect_format([](json& t) { t["added_tokens"][0]["id"] = 1'000'000'000; }, "beyond the number of tokens");
  expect_format([](json& t) { t["added_tokens"][0]["id"] = "x"; }, "not a whole number");
  expect_format([](json& t) { t["added_tokens"][0]["content"] = nullptr; }, "content is not text");
  expect_format([](json& t) { t["added_tokens"][2]["content"] = "he"; }, "two ids of the vocabulary");
  expect_format([](json& t) { t["added_tokens"] = "x"; }, "not a list");
  expect_format([](json& t) { t["model"]["unk_token"] = "<unk>"; }, "lacks the unk_token");
  expect_format([](json& t) { t["model"]["merges"] = json::object(); }, "no list of merges");
  expect_format([](json& t) { t["model"].erase("merges"); }, "no list of merges");
  expect_format([](json& t) { t["model"]["merges"] = {7}; }, "a merge is not text");
  expect_format([](json& t) { t["model"]["merges"] = {{"h"}}; }, "not two tokens");
  expect_format([](json& t) { t["model"]["merges"] = {{"h", "e", "l"}}; }, "not two tokens");
  expect_format(
      [](json& t) {
        t["model"]["merges"] = json::array({json::array({"h", json::array({"e"})})});
      },
      "not text");
  expect_format(
      [](json& t) {
        t["model"]["merges"] = json::array({json::array({"h", " "})});
      },
      "has a space");
  expect_format([](json& t) { t["model"]["merges"] = {"h nobody"}; }, "the vocabulary lacks");
  expect_format([](json& t) { t["post_processor"]["single"][0]["SpecialToken"]["id"] = "<s>"; }, "lacks <s>");
  expect_format([](json& t) { t["post_processor"]["single"] = 7; }, "without a list");
  expect_format([](json& t) { t["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "(a"; },
                "not a regular expression");
}

TEST(TokenizerJson, TextThatIsNoTokenizer) {
  for (const char* text :
       {"", "{", "[]", "7", "null", "{}", "{\"model\":{}}", "{\"model\":[{\"vocab\":{\"a\":0}}]}",
        "{\"a\":1,\"a\":2}", "{\"model\":{\"vocab\":{\"a\":0},\"vocab\":{\"b\":1}}}",
        "{\"model\":{\"vocab\":{\"\xff\":0}}}", "{\"model\":{\"vocab\":{\"\\ud800\":0}}}"}) {
    EXPECT_TRUE(outcome(std::string(text)).starts_with("format: ")) << text;
  }
}

TEST(TokenizerJson, DepthIsBounded) {
  for (const std::string open : {"[", "{\"a\":"}) {
    std::string text;
    for (int i = 0; i < 200'000; ++i) text += open;
    EXPECT_NE(outcome(text).find("nested too deeply"), std::string::npos);
    EXPECT_NE(outcome("{\"model\":{\"merges\":" + text).find("format"), std::string::npos);
  }
}

// The spec of a SentencePiece vocabulary as `tokenizers` writes it, cut down: characters, two bytes' worth of
// merges and all splits of "abc".
json spaced_tokenizer_json() {
  json vocab = {{"<unk>", 0}};
  for (const char* token : {"a", "b", "c", "\u2581", "ab", "bc", "abc"}) vocab[token] = vocab.size();
  json tokenizer = {
      {"added_tokens", {{{"id", 0}, {"content", "<unk>"}, {"special", true}}}},
      {"normalizer",
       {{"type", "Sequence"},
        {"normalizers",
         {{{"type", "Prepend"}, {"prepend", "\u2581"}},
          {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}}}}},
      {"pre_tokenizer", nullptr},
      {"decoder", {{"type", "Sequence"}, {"decoders", {{{"type", "ByteFallback"}}, {{"type", "Fuse"}}}}}},
      {"model",
       {{"type", "BPE"},
        {"byte_fallback", true},
        {"unk_token", "<unk>"},
        {"vocab", vocab},
        {"merges", {"a b", "b c", "ab c", "a bc"}}}}};
  return tokenizer;
}

TEST(TokenizerJson, SentencePieceMergesBecomeScores) {
  const TokenizerSpec spec = testing::read_json(spaced_tokenizer_json());
  EXPECT_EQ(spec.kind, TokenizerKind::SentencePiece);
  EXPECT_TRUE(spec.add_space_prefix);
  EXPECT_TRUE(spec.merges.empty());
  EXPECT_EQ(spec.types[0], TokenType::Unknown);
  EXPECT_EQ(spec.scores[5], 0.0f);
  EXPECT_EQ(spec.scores[6], -1.0f);
  EXPECT_EQ(spec.scores[7], -2.0f);
  EXPECT_LT(spec.scores[1], -2.0f);
  EXPECT_EQ(Tokenizer(spec).encode("abc"), (std::vector<TokenId>{4, 7}));
}

TEST(TokenizerJson, SentencePieceOnlyWhereItEncodesAlike) {
  const auto expect = [](const std::function<void(json&)>& change, std::string_view expected) {
    json tokenizer = spaced_tokenizer_json();
    change(tokenizer);
    EXPECT_EQ(outcome(tokenizer.dump()), expected);
  };
  expect([](json&) {}, "read");
  expect(
      [](json& t) {
        t["model"]["merges"] = {"a b", "b c", "ab c"};
      },
      "unsupported: model: merges that are not SentencePiece's");
  expect(
      [](json& t) {
        t["model"]["merges"] = {"a b", "ab c", "b c", "a bc"};
      },
      "unsupported: model: merges that are not SentencePiece's");
  expect(
      [](json& t) {
        t["normalizer"]["normalizers"].push_back({{"type", "NFKC"}});
      },
      "unsupported: normalizer: NFKC");
  expect([](json& t) { t["normalizer"] = nullptr; }, "unsupported: normalizer: spaces that stay");
  expect([](json& t) { t["decoder"] = {{"type", "ByteLevel"}}; }, "unsupported: decoder: ByteLevel");
  const json metaspace = {
      {"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "always"}, {"split", false}};
  expect(
      [&](json& t) {
        t["normalizer"] = nullptr;
        t["pre_tokenizer"] = metaspace;
      },
      "read");
  expect(
      [&](json& t) {
        t["normalizer"] = nullptr;
        t["pre_tokenizer"] = metaspace;
        t["pre_tokenizer"]["prepend_scheme"] = "first";
      },
      "unsupported: pre_tokenizer: Metaspace with another prepend_scheme");
}

}  // namespace
}  // namespace sterna
