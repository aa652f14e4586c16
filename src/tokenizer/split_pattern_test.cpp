#include "tokenizer/split_pattern.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "sterna/error.hpp"
#include "tokenizer/pre_tokenizer.hpp"

namespace sterna {
namespace {

using Words = std::vector<std::string_view>;

Words words(const SplitPattern& pattern, std::string_view text) {
  Words found;
  SplitPattern::Matcher matcher(pattern, text);
  for (auto word = matcher.next(); !word.empty(); word = matcher.next()) found.push_back(word);
  return found;
}

TEST(SplitPattern, KeepsWhatLiesBetweenMatches) {
  EXPECT_EQ(words(SplitPattern("[0-9]+"), "ab12c3"), (Words{"ab", "12", "c", "3"}));
  EXPECT_EQ(words(SplitPattern("x"), "no match"), (Words{"no match"}));
  EXPECT_EQ(words(SplitPattern("x"), ""), Words{});
}

TEST(SplitPattern, EmptyMatchesCutNothing) {
  EXPECT_EQ(words(SplitPattern("a*"), "b\u00e9aa\u00e9"), (Words{"b\u00e9", "aa", "\u00e9"}));
}

// PCRE2's own \s counts U+180E as white space, Unicode does not any more.
TEST(SplitPattern, WhiteSpaceIsUnicodes) {
  EXPECT_EQ(words(SplitPattern(R"(\s+)"), "a\u180e \u00a0\u2028\u0085b\u200b"),
            (Words{"a\u180e", " \u00a0\u2028\u0085", "b\u200b"}));
  EXPECT_EQ(words(SplitPattern(R"([^\s]+)"), "a\u180e b"), (Words{"a\u180e", " ", "b"}));
}

TEST(SplitPattern, RefusesSyntaxThatEnginesReadDifferently) {
  for (const std::string_view pattern :
       {"^a", "a$", R"(\w+)", R"(\b)", R"(\h)", R"(a\K)", R"((a)\1)", "[a[b]]", "[a&&b]", "a{2}+", "a{,2}",
        "(?i)a", "(?<n>a)", "(*UTF)a", "[]a]", "a\\", R"(\C)", R"(\x41)", "(?#c)"}) {
    try {
      SplitPattern compiled(pattern);
      FAIL() << pattern;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::Unsupported) << pattern;
    }
  }
}

TEST(SplitPattern, RefusesWhatIsNoPattern) {
  for (const std::string_view pattern : {"(a", "[a", R"(\p{Nonsense})", R"(\p{L)", "*", "a{3,2}"}) {
    try {
      SplitPattern compiled(pattern);
      FAIL() << pattern;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::Format) << pattern;
    }
  }
  EXPECT_THROW(SplitPattern(std::string(5000, 'a')), Error);
  EXPECT_THROW(SplitPattern("((((((((((a{99}){99}){99}){99}){99}){99}){99}){99}){99})"), Error);
}

TEST(SplitPattern, ExponentialBacktrackingIsCutOff) {
  const SplitPattern pattern("(a|aa)+[cd]");
  EXPECT_THROW(words(pattern, std::string(200, 'a')), Error);
}

// A megabyte that offers one pattern after the other the chance to run to the end and back.
TEST(NamedPreTokenizers, LongRunsAreLinear) {
  std::set<std::string_view> patterns;
  for (const auto& row : named_pre_tokenizers()) {
    if (!patterns.insert(row.pattern).second) continue;
    TokenizerSpec spec;
    spec.pre = row.name;
    const PreTokenizer pre_tokenizer(spec);
    for (const std::string_view unit : {" ", "a", "1", "!", "\n", "\t \n", "\u00e9", "'", " '", "\u3000"}) {
      std::string text;
      while (text.size() < 1 << 20) text += unit;
      text += "x";
      std::string together;
      pre_tokenizer.split(text, [&](std::string_view word) { together += word; });
      EXPECT_TRUE(together == text) << row.name << " '" << unit << "'";
    }
  }
}

Words split(const TokenizerSpec& spec, std::string_view text) {
  Words found;
  PreTokenizer(spec).split(text, [&](std::string_view word) { found.push_back(word); });
  return found;
}

TEST(NamedPreTokenizers, DifferWhereTheirModelsDo) {
  constexpr std::string_view kText = "I'LL pay 12345,\n\n  ok";
  TokenizerSpec spec;
  spec.pre = "gpt-2";
  EXPECT_EQ(split(spec, kText), (Words{"I", "'", "LL", " pay", " 12345", ",", "\n\n ", " ok"}));
  for (const char* name : {"llama-bpe", "falcon3", "falcon_e"}) {
    spec.pre = name;
    EXPECT_EQ(split(spec, kText), (Words{"I", "'LL", " pay", " ", "123", "45", ",\n\n", " ", " ok"}));
  }
  spec.pre = "qwen2";
  EXPECT_EQ(split(spec, kText),
            (Words{"I", "'LL", " pay", " ", "1", "2", "3", "4", "5", ",\n\n", " ", " ok"}));
}

TEST(NamedPreTokenizers, UnknownNameListsTheKnownOnes) {
  try {
    named_pre_tokenizer("bert");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Unsupported);
    EXPECT_EQ(error.value("found"), "bert");
    EXPECT_NE(error.value("known").find("qwen2"), std::string_view::npos);
  }
}

TEST(PreTokenizer, PatternsApplyOneAfterTheOther) {
  TokenizerSpec spec;
  spec.patterns = {R"(\p{N})", R"( ?\p{L}+|\s+(?!\S)|\s+)"};
  // The second pattern sees each piece alone: both spaces end one.
  EXPECT_EQ(split(spec, "ab  12 c"), (Words{"ab", "  ", "1", "2", " c"}));
}

}  // namespace
}  // namespace sterna
