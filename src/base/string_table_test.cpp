#include "base/string_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace sterna {
namespace {

TEST(StringTable, HoldsWhatIsPut) {
  StringTable table{"a", "", std::string_view("b\0c", 3)};
  table.push_back_with([](std::string& text) { text += "de"; });
  ASSERT_EQ(table.size(), 4u);
  EXPECT_EQ(table[0], "a");
  EXPECT_EQ(table[1], "");
  EXPECT_EQ(table[2], std::string_view("b\0c", 3));
  EXPECT_EQ(table[3], "de");
  EXPECT_EQ(std::find(table.begin(), table.end(), "de") - table.begin(), 3);
  EXPECT_EQ(table.end() - table.begin(), 4);
  table.clear();
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.begin(), table.end());
}

TEST(StringTable, EqualsOnlyTheSameStrings) {
  EXPECT_EQ((StringTable{"ab", "c"}), (StringTable{"ab", "c"}));
  EXPECT_NE((StringTable{"ab", "c"}), (StringTable{"a", "bc"}));  // the same text
  EXPECT_NE((StringTable{"ab"}), (StringTable{"ab", ""}));
}

TEST(StringTable, BehavesAsAVectorOfStrings) {
  std::mt19937 random(1);
  StringTable table;
  std::vector<std::string> model;
  for (int step = 0; step < 2000; ++step) {
    const std::string text(random() % 20, static_cast<char>('a' + random() % 26));
    if (!model.empty() && random() % 8 == 0) {
      const std::size_t at = random() % model.size();
      table.replace(at, text);
      model[at] = text;
    } else {
      table.push_back(text);
      model.push_back(text);
    }
  }
  table.shrink_to_fit();
  EXPECT_TRUE(std::equal(table.begin(), table.end(), model.begin(), model.end()));
  EXPECT_EQ(table, StringTable(model.begin(), model.end()));
}

}  // namespace
}  // namespace sterna
