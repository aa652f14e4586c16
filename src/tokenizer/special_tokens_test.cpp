#include "tokenizer/special_tokens.hpp"

#include <gtest/gtest.h>

#include "sterna/error.hpp"

namespace sterna {
namespace {

TEST(SpecialTokens, LeftmostThenLongest) {
  SpecialTokens tokens;
  TokenId id = 0;
  for (const char* text : {"<a>", "<a>b", "a>", "<", "<ab>c", "\xff\xfe"}) tokens.add(text, id++);
  tokens.prepare();
  const auto expect = [&](std::string_view text, std::size_t from, std::size_t at, TokenId found) {
    const auto match = tokens.find(text, from);
    EXPECT_EQ(match.at, at) << text;
    EXPECT_EQ(match.id, found) << text;
  };
  expect("x<a>b", 0, 1, 1);
  expect("x<a>c", 0, 1, 0);
  expect("x<ab>", 0, 1, 3);  // the longest that is whole
  expect("x<ab>c", 0, 1, 4);
  expect("x<a>b", 2, 2, 2);
  expect("x<", 0, 1, 3);
  expect("\xff\xff\xfe", 0, 1, 5);
  expect("none", 0, std::string_view::npos, -1);
  expect("", 0, std::string_view::npos, -1);
}

TEST(SpecialTokens, OneByteIsTheWholeText) {
  SpecialTokens tokens;
  tokens.add("a", 7);
  tokens.prepare();
  EXPECT_EQ(tokens.find("a", 0).id, 7);
  EXPECT_EQ(tokens.find("a", 1).id, -1);
}

TEST(SpecialTokens, NoTokensFindNothing) {
  EXPECT_EQ(SpecialTokens().find("text", 0).id, -1);
}

TEST(SpecialTokens, RefusesAnAbsurdLength) {
  SpecialTokens tokens;
  const std::string text(10'000, 'a');
  EXPECT_THROW(tokens.add(text, 0), Error);
}

}  // namespace
}  // namespace sterna
