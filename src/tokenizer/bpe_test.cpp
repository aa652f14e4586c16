#include <gtest/gtest.h>

#include "support/paths.hpp"
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

}  // namespace
}  // namespace sterna
