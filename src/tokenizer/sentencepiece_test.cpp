#include "tokenizer/sentencepiece.hpp"

#include <gtest/gtest.h>

#include "support/paths.hpp"
#include "support/tokenizer_cases.hpp"

namespace sterna {
namespace {

TEST(SentencePiece, Cases) {
  const auto tokenizer = Tokenizer::load(testing::fixture("tokenizers/spm/tokenizer.model"));
  EXPECT_EQ(tokenizer->vocab_size(), 2000u);
  testing::expect_cases(*tokenizer, testing::tokenizer_cases(testing::fixture("tokenizers/spm-cases.json")));
}

}  // namespace
}  // namespace sterna
