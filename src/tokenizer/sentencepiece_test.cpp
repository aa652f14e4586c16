#include "tokenizer/sentencepiece.hpp"

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <limits>
#include <random>

#include "platform/mapped_file.hpp"
#include "sterna/error.hpp"
#include "support/paths.hpp"
#include "support/tokenizer_cases.hpp"

namespace sterna {
namespace {

using Ids = std::vector<TokenId>;

TokenizerSpec read(const char* fixture) {
  const auto file = MappedFile::open(testing::fixture(fixture));
  return read_sentencepiece_model(file->bytes(), fixture);
}

TEST(SentencePiece, Cases) {
  const auto cases = testing::tokenizer_cases(testing::fixture("tokenizers/spm-cases.json"));
  testing::expect_cases(*Tokenizer::load(testing::fixture("tokenizers/spm/tokenizer.model")), cases);
  // The same vocabulary as `tokenizers` writes it.
  testing::expect_cases(*Tokenizer::load(testing::fixture("tokenizers/spm/tokenizer.json")), cases);
}

TEST(SentencePiece, UnigramCases) {
  const auto tokenizer = Tokenizer::load(testing::fixture("tokenizers/unigram.model"));
  EXPECT_TRUE(tokenizer->spec().unigram);
  testing::expect_cases(*tokenizer,
                        testing::tokenizer_cases(testing::fixture("tokenizers/unigram-cases.json")));
}

TEST(SentencePiece, ReadsWhatTheModelSays) {
  const TokenizerSpec spec = read("tokenizers/spm/tokenizer.model");
  EXPECT_EQ(spec.tokens.size(), 2000u);
  EXPECT_EQ(spec.tokens[259], "\u2581t");
  EXPECT_EQ(spec.scores[260], -1.0f);
  EXPECT_EQ(spec.types[0], TokenType::Unknown);
  EXPECT_EQ(spec.types[1], TokenType::Control);
  EXPECT_EQ(spec.types[3], TokenType::Byte);
  EXPECT_EQ(spec.types[259], TokenType::Normal);
  EXPECT_EQ(spec.unk, 0);
  EXPECT_EQ(spec.bos, 1);
  EXPECT_EQ(spec.eos, 2);
  EXPECT_TRUE(spec.add_space_prefix);
  EXPECT_FALSE(spec.remove_extra_whitespaces);
  EXPECT_FALSE(spec.unigram);
}

// The library with the untouched file is the reference for the message that is rebuilt from the spec.
TEST(SentencePiece, RebuiltModelEncodesAsTheOriginal) {
  for (const char* fixture : {"tokenizers/spm/tokenizer.model", "tokenizers/unigram.model"}) {
    const auto file = MappedFile::open(testing::fixture(fixture));
    sentencepiece::SentencePieceProcessor original;
    ASSERT_TRUE(original.LoadFromSerializedProto(as_text(file->bytes())).ok());
    const Tokenizer rebuilt(read(fixture));
    std::mt19937 random(5);
    for (int round = 0; round < 300; ++round) {
      std::string text;
      for (int i = 0; i < 60; ++i) {
        constexpr std::string_view kParts[] = {" ", "  ",     "the",    "king",   "\n",
                                               "7", "\u00e9", "\u4e16", "\u2581", "."};
        text += kParts[random() % std::size(kParts)];
      }
      EXPECT_EQ(rebuilt.encode(text), original.EncodeAsIds(text)) << text;
    }
  }
}

// Texts go through the library word by word; the ids must not show where.
TEST(SentencePiece, TextsAreCutWithoutATrace) {
  const auto file = MappedFile::open(testing::fixture("tokenizers/spm/tokenizer.model"));
  sentencepiece::SentencePieceProcessor original;
  ASSERT_TRUE(original.LoadFromSerializedProto(as_text(file->bytes())).ok());
  const Tokenizer rebuilt(read("tokenizers/spm/tokenizer.model"));
  std::mt19937 random(6);
  std::string text;
  while (text.size() < 150'000)
    text += std::string(random() % 4, ' ') + (random() % 2 ? "wolf" : "\u2581and");
  EXPECT_TRUE(rebuilt.encode(text) == original.EncodeAsIds(text));
  const std::string unbroken(150'000, 'a'), spaces(150'000, ' ');
  for (const auto& one : {unbroken, spaces}) EXPECT_TRUE(rebuilt.encode(one) == original.EncodeAsIds(one));
}

TEST(SentencePiece, SpecialTokensInAText) {
  const auto tokenizer = Tokenizer::load(testing::fixture("tokenizers/spm/tokenizer.model"));
  EXPECT_EQ(tokenizer->encode("a</s>b"), (Ids{261, 2, 271}));  // each part with a prefix of its own
  EXPECT_EQ(tokenizer->encode("<s>"), Ids{1});
  const auto spelled = tokenizer->encode("<s>", false);
  EXPECT_EQ(tokenizer->decode(spelled), "<s>");
}

TEST(SentencePiece, WhatIsNoUtf8StandsForItself) {
  const auto tokenizer = Tokenizer::load(testing::fixture("tokenizers/spm/tokenizer.model"));
  EXPECT_EQ(tokenizer->encode("a\xff"), (Ids{261, 3 + 0xff}));
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string bytes;
    for (int i = 0; i < 50; ++i) bytes += static_cast<char>(random() % 3 ? random() % 256 : ' ');
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(bytes)), bytes);
  }
}

TEST(SentencePiece, NoDummyPrefixWhereTheModelHasNone) {
  TokenizerSpec spec = read("tokenizers/spm/tokenizer.model");
  spec.add_space_prefix = false;
  const Tokenizer tokenizer(spec);
  EXPECT_EQ(tokenizer.encode(" a"), Ids{261});
  EXPECT_EQ(tokenizer.decode(Ids{261}), " a");
}

TEST(SentencePiece, ExtraSpacesAreRemovedWhereTheModelSaysSo) {
  TokenizerSpec spec = read("tokenizers/spm/tokenizer.model");
  spec.remove_extra_whitespaces = true;
  const Tokenizer tokenizer(spec);
  EXPECT_EQ(tokenizer.encode("  a  "), Ids{261});
}

TEST(SentencePiece, UserDefinedPiecesAreFound) {
  TokenizerSpec spec = read("tokenizers/spm/tokenizer.model");
  spec.tokens.push_back("<tool>");
  spec.types.push_back(TokenType::UserDefined);
  spec.scores.push_back(0);
  const Tokenizer tokenizer(spec);
  for (const bool parse_special : {false, true}) {
    EXPECT_EQ(tokenizer.encode("a<tool>", parse_special), (Ids{261, 2000}));
  }
  EXPECT_EQ(tokenizer.decode(Ids{261, 2000}), "a<tool>");
}

TEST(SentencePiece, BytesArePiecesOfOneForm) {
  EXPECT_EQ(byte_of_piece("<0x0A>"), 10);
  EXPECT_EQ(byte_of_piece("<0xFF>"), 255);
  for (const char* piece : {"", "<0x0a>", "<0xFFF>", "<0xF>", "0xFF", "<0xG0>", "<0x00 "})
    EXPECT_EQ(byte_of_piece(piece), std::nullopt) << piece;
}

TEST(SentencePiece, PiecesThatTheLibraryWouldTrustAreChecked) {
  const auto reason = [](auto change) {
    TokenizerSpec spec = read("tokenizers/spm/tokenizer.model");
    change(spec);
    try {
      Tokenizer tokenizer(std::move(spec));
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::Format);
      return std::string(error.what());
    }
    return std::string("loaded");
  };
  EXPECT_EQ(reason([](TokenizerSpec&) {}), "loaded");
  const auto contains = [&](auto change, std::string_view expected) {
    const std::string found = reason(change);
    EXPECT_NE(found.find(expected), std::string::npos) << found;
  };
  contains([](TokenizerSpec& spec) { spec.tokens.replace(300, ""); }, "empty");
  contains([](TokenizerSpec& spec) { spec.tokens.replace(300, "\xff"); }, "UTF-8");
  contains([](TokenizerSpec& spec) { spec.tokens.replace(300, std::string("a\0b", 3)); }, "zero byte");
  contains([](TokenizerSpec& spec) { spec.scores[300] = std::numeric_limits<float>::quiet_NaN(); }, "finite");
  contains([](TokenizerSpec& spec) { spec.tokens.replace(10, "<0xag>"); }, "no byte");
  contains([](TokenizerSpec& spec) { spec.types[10] = TokenType::Normal; }, "some of the 256");
  contains([](TokenizerSpec& spec) { spec.types[0] = TokenType::Normal; }, "without unknown");
  contains([](TokenizerSpec& spec) { spec.types[1] = TokenType::Unknown; }, "second unknown");
  contains([](TokenizerSpec& spec) { spec.tokens.replace(300, spec.tokens[301]); }, "same text");
  contains([](TokenizerSpec& spec) { spec.scores.pop_back(); }, "scores");
}

/// A protobuf field of bytes.
std::string field(int number, std::string_view bytes) {
  std::string out;
  out += static_cast<char>(number << 3 | 2);
  out += static_cast<char>(bytes.size());  // short ones only
  return out.append(bytes);
}

TEST(SentencePiece, ModelsThatNeedMoreAreRefusedByName) {
  const auto file = MappedFile::open(testing::fixture("tokenizers/spm/tokenizer.model"));
  const std::string model(as_text(file->bytes()));
  const auto refused = [&](const std::string& extra, std::string_view found) {
    // A later message of the same field adds to the one before.
    const std::string changed = model + extra;
    try {
      read_sentencepiece_model(as_bytes(changed), "changed.model");
      ADD_FAILURE() << found;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::Unsupported);
      EXPECT_EQ(error.value("found"), found);
      EXPECT_EQ(error.value("file"), "changed.model");
    }
  };
  refused(field(3, field(2, "map")), "a normalisation map");
  refused(field(5, field(2, "map")), "a denormalisation map");
  refused(field(3, std::string("\x28\x00", 2)), "spaces that are not escaped");
  refused(field(2, "\x18\x03"), "a word or character model");
  refused(field(2, "\xc0\x01\x01"), "spaces as suffixes");
}

TEST(SentencePiece, DamagedMessagesAreErrors) {
  const auto refused = [](std::string_view bytes) {
    try {
      read_sentencepiece_model(as_bytes(bytes), "damaged.model");
    } catch (const Error& error) {
      return error.category() == ErrorCategory::Format;
    }
    return false;
  };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("garbage"));
  EXPECT_TRUE(refused("\x0a"));                                              // a length is missing
  EXPECT_TRUE(refused("\x0a\x05\x0a"));                                      // shorter than its length
  EXPECT_TRUE(refused("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));      // 2^64 − 1 bytes
  EXPECT_TRUE(refused("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));  // a number without end
  EXPECT_TRUE(refused("\x0b"));                                              // a group
  EXPECT_TRUE(refused("\x08\x01"));                                          // a piece that is a number
  EXPECT_TRUE(refused(field(1, "\x18\x07")));                                // a type that does not exist
  EXPECT_TRUE(refused(field(1, field(2, "half"))));                          // a score that is text
}

}  // namespace
}  // namespace sterna
