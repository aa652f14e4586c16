#include "tokenizer/utf8.hpp"

#include <gtest/gtest.h>

namespace sterna {
namespace {

std::string encoded(char32_t c) {
  const auto byte = [](char32_t bits) { return static_cast<char>(bits); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xc0 | c >> 6), byte(0x80 | (c & 0x3f))};
  if (c < 0x10000) return {byte(0xe0 | c >> 12), byte(0x80 | (c >> 6 & 0x3f)), byte(0x80 | (c & 0x3f))};
  return {byte(0xf0 | c >> 18), byte(0x80 | (c >> 12 & 0x3f)), byte(0x80 | (c >> 6 & 0x3f)),
          byte(0x80 | (c & 0x3f))};
}

TEST(Utf8, AllCharactersAndNoSurrogates) {
  for (char32_t c = 0; c < 0x112000; ++c) {
    const std::string text = encoded(c);
    const bool character = c < 0xd800 || (c > 0xdfff && c < 0x110000);
    const Utf8Step step = utf8_step(text);
    ASSERT_EQ(step.status == Utf8Status::Whole, character) << static_cast<unsigned>(c);
    if (!character) continue;
    ASSERT_EQ(step.length, text.size());
    for (std::size_t n = 1; n < text.size(); ++n) {
      const Utf8Step part = utf8_step(std::string_view(text).substr(0, n));
      ASSERT_EQ(part.status, Utf8Status::Unfinished);
      ASSERT_EQ(part.length, n);
    }
  }
}

// The table of maximal subparts in the Unicode standard, 3.9, with a character in front and one behind.
TEST(Utf8, InvalidRunsAreMaximalSubparts) {
  const std::pair<std::string_view, std::size_t> rows[] = {
      {"\xc0\xaf", 1}, {"\xe0\x9f\x80", 1}, {"\xed\xa0\x80", 1}, {"\xf4\x91\x92", 1},
      {"\x80", 1},     {"\xff", 1},         {"\xe1\x80\xe2", 2}, {"\xf0\x91\x92\x41", 3}};
  for (const auto& [bytes, length] : rows) {
    const Utf8Step step = utf8_step(bytes);
    EXPECT_EQ(step.status, Utf8Status::Invalid);
    EXPECT_EQ(step.length, length);
  }
}

TEST(Utf8, PrefixStopsAtTheFirstFault) {
  EXPECT_EQ(utf8_prefix(""), 0u);
  EXPECT_EQ(utf8_prefix("0123456789abcdef"), 16u);
  EXPECT_EQ(utf8_prefix("0123456789\xc3\xa9 \xff more text behind it"), 13u);
  EXPECT_EQ(utf8_prefix("01234567\xc3"), 8u);
  EXPECT_TRUE(is_utf8("\xf0\x9f\x99\x82"));
  EXPECT_FALSE(is_utf8("\xf0\x9f\x99"));
}

}  // namespace
}  // namespace sterna
