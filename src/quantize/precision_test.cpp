#include "quantize/precision.hpp"

#include <gtest/gtest.h>

#include <random>

#include "sterna/error.hpp"

namespace sterna {
namespace {

TEST(Precision, NamesGoBothWays) {
  for (const auto p :
       {Precision::Ternary, Precision::Int2, Precision::Int4, Precision::Int8, Precision::F16}) {
    EXPECT_EQ(precision_from_name(to_string(p)), p);
  }
  EXPECT_FALSE(precision_from_name("int5"));
  EXPECT_FALSE(precision_from_name(""));
  for (const PolicyRow& row : policies()) {
    EXPECT_EQ(policy_from_name(row.name), row.policy);
    EXPECT_EQ(&policy_row(row.policy), &row);
    EXPECT_GT(row.most_perplexity, 1);
  }
  EXPECT_EQ(policies().size(), 4u);
  EXPECT_FALSE(policy_from_name("fast"));
}

/// The definition, without regard to time.
bool matches_plainly(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '*') {
    return matches_plainly(pattern.substr(1), name) ||
           (!name.empty() && matches_plainly(pattern, name.substr(1)));
  }
  return !name.empty() && (pattern[0] == '?' || pattern[0] == name[0]) &&
         matches_plainly(pattern.substr(1), name.substr(1));
}

TEST(Rules, MatchAsDefined) {
  EXPECT_TRUE(matches("blk.*.ffn_down", "blk.11.ffn_down"));
  EXPECT_FALSE(matches("blk.*.ffn_down", "blk.11.ffn_downs"));
  EXPECT_FALSE(matches("blk.?.attn_q", "blk.11.attn_q"));
  EXPECT_TRUE(matches("*", ""));
  std::mt19937 random(1);
  int matched = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string pattern(random() % 7, ' '), name(random() % 8, ' ');
    for (char& c : pattern) c = "ab*?"[random() % 4];
    for (char& c : name) c = "ab"[random() % 2];
    ASSERT_EQ(matches(pattern, name), matches_plainly(pattern, name)) << pattern << " " << name;
    matched += matches(pattern, name);
  }
  EXPECT_GT(matched, 1000);
}

TEST(Rules, NoPatternTakesForever) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "*a";
  EXPECT_FALSE(matches(pattern + "b", std::string(3000, 'a')));
  EXPECT_TRUE(matches(pattern, std::string(3000, 'a')));
}

TEST(Rules, TheFirstThatMatchesDecides) {
  const auto rules = parse_precision_rules(
      R"({"rules": [{"match": "blk.0.*", "precision": "f16"}, {"precision": "int8", "match": "blk.*.ffn_down"}]})",
      "rules.json");
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(decided(rules, "blk.0.ffn_down"), Precision::F16);
  EXPECT_EQ(decided(rules, "blk.1.ffn_down"), Precision::Int8);
  EXPECT_FALSE(decided(rules, "blk.1.ffn_up"));
  EXPECT_TRUE(parse_precision_rules(R"({"rules": []})", "f").empty());
}

TEST(Rules, RefusesWhatIsNotRules) {
  struct Case {
    const char* text;
    const char* key;
    const char* found;
  };
  for (const auto& [text, key, found] : std::initializer_list<Case>{
           {"[]", "", "[]"},
           {"{}", "rules", "nothing"},
           {R"({"rules": {}})", "rules", "{}"},
           {R"({"rules": [], "rule": 1})", "rule", "an unknown key"},
           {R"({"rules": [], "rules": []})", "rules", "the key twice"},
           {R"({"rules": [3]})", "rules[0]", "3"},
           {R"({"rules": [{"match": "a"}]})", "rules[0].precision", "nothing"},
           {R"({"rules": [{"precision": "f16"}]})", "rules[0].match", "nothing"},
           {R"({"rules": [{"match": 1, "precision": "f16"}]})", "rules[0].match", "1"},
           {R"({"rules": [{"match": "a", "precision": "int5"}]})", "rules[0].precision", "\"int5\""},
           {R"({"rules": [{"match": "a", "precision": "f16", "bits": 2}]})", "rules[0].bits",
            "an unknown key"},
           {R"({"rules": [{"match": "a", "match": "b", "precision": "f16"}]})", "match", "the key twice"},
           {R"({"rules": [{"match": "a", "precision": "f16"}, {"match": "a", "precision": "int8"}]})",
            "rules[1].match", "\"a\" for the second time"},
           {R"({"rules": [[[[[[[[[[]]]]]]]]]]})", "", "deeper nesting"}}) {
    try {
      parse_precision_rules(text, "rules.json");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::Format);
      EXPECT_EQ(error.value("file"), "rules.json");
      EXPECT_EQ(error.value("key"), key) << text;
      EXPECT_EQ(error.value("found"), found) << text;
      EXPECT_FALSE(error.value("expected").empty());
    }
  }
  const std::string_view whole = R"({"rules": [{"match": "a", "precision": "f16"}]})";
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_THROW(parse_precision_rules(whole.substr(0, n), "f"), Error) << n;
  }
  EXPECT_THROW(read_precision_rules("no/such/rules.json"), Error);
}

}  // namespace
}  // namespace sterna
