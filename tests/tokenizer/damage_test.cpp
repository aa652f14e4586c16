// Damaged vocabularies load or are refused with an Error; those that load can be used.
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "platform/mapped_file.hpp"
#include "sterna/error.hpp"
#include "support/paths.hpp"
#include "support/small_tokenizer.hpp"

namespace sterna {
namespace {

using Read = std::function<TokenizerSpec(Bytes)>;

struct Tally {
  int loaded = 0, refused = 0;
};

void load_and_use(const std::string& bytes, const Read& read, Tally& tally) {
  try {
    const Tokenizer tokenizer(read(as_bytes(bytes)));
    ++tally.loaded;
    const auto ids = tokenizer.encode("Hello, the old king's 3 wolves\n\n  \u00e9\xff<|end|></s>");
    tokenizer.decode(ids, true);
  } catch (const Error& error) {
    // A damaged pattern may not cut this text, and a damaged vocabulary may lack its bytes.
    ++tally.refused;
    EXPECT_NE(error.category(), ErrorCategory::Internal) << error.what();
    EXPECT_NE(error.category(), ErrorCategory::Io) << error.what();
  }
}

void flip_bytes(const std::string& good, const Read& read, int rounds) {
  std::mt19937 random(20240227);
  Tally tally;
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = good;
    const int flips = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < flips; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    load_and_use(bytes, read, tally);
  }
  // Both outcomes occurred, or the damage tested nothing.
  EXPECT_GT(tally.loaded, 0);
  EXPECT_GT(tally.refused, 0);
}

void truncate(const std::string& good, const Read& read, std::size_t step) {
  Tally tally;
  for (std::size_t size = 0; size < good.size(); size += step)
    load_and_use(good.substr(0, size), read, tally);
  EXPECT_GT(tally.refused, 0);
}

TokenizerSpec read_json(Bytes bytes) {
  return read_tokenizer_json(bytes, "damaged.json");
}
TokenizerSpec read_model(Bytes bytes) {
  return read_sentencepiece_model(bytes, "damaged.model");
}

std::string contents(const char* fixture) {
  return std::string(as_text(MappedFile::open(testing::fixture(fixture))->bytes()));
}

TEST(TokenizerDamage, FlippedBytesOfJson) {
  flip_bytes(testing::small_tokenizer_json().dump(), read_json, 10'000);
}

TEST(TokenizerDamage, FlippedBytesOfSentencePieceJson) {
  flip_bytes(contents("tokenizers/spm/tokenizer.json"), read_json, 500);
}

TEST(TokenizerDamage, FlippedBytesOfModel) {
  flip_bytes(contents("tokenizers/unigram.model"), read_model, 8'000);
  flip_bytes(contents("tokenizers/spm/tokenizer.model"), read_model, 2'000);
}

TEST(TokenizerDamage, Truncation) {
  truncate(testing::small_tokenizer_json().dump(), read_json, 1);
  truncate(contents("tokenizers/unigram.model"), read_model, 1);
  truncate(contents("tokenizers/tales/tokenizer.json"), read_json, 4001);
}

}  // namespace
}  // namespace sterna
