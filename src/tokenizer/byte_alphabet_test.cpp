#include "tokenizer/byte_alphabet.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tokenizer/utf8.hpp"

namespace sterna {
namespace {

TEST(ByteAlphabet, EveryByteHasACharacterOfItsOwn) {
  std::set<std::string> characters;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    std::string text, back;
    append_in_byte_alphabet(text, {&c, 1});
    EXPECT_TRUE(is_utf8(text));
    EXPECT_EQ(utf8_step(text).length, text.size());
    characters.insert(text);
    ASSERT_TRUE(append_from_byte_alphabet(back, text));
    EXPECT_EQ(back, std::string(1, c));
  }
  EXPECT_EQ(characters.size(), 256u);
}

TEST(ByteAlphabet, KnownCharacters) {
  std::string text;
  append_in_byte_alphabet(text, " a\n\xad\xff");
  EXPECT_EQ(text, "\u0120a\u010a\u0143\u00ff");
}

TEST(ByteAlphabet, OtherTextAppendsNothing) {
  for (const std::string_view text : {" ", "a b", "\u0144", "\u20ac", "\xc4", "a\xff", "\n"}) {
    std::string bytes = "kept";
    EXPECT_FALSE(append_from_byte_alphabet(bytes, text)) << text;
    EXPECT_EQ(bytes, "kept");
  }
}

}  // namespace
}  // namespace sterna
