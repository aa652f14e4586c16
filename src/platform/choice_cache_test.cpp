#include "platform/choice_cache.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "support/paths.hpp"

namespace sterna {
namespace {

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

TEST(ChoiceCache, RemembersInAFolderThatItMakes) {
  const auto path = testing::scratch() / "a" / "b" / "choices";
  const ChoiceCache cache(path);
  EXPECT_EQ(cache.find("key"), std::nullopt);
  cache.remember("key", "value with spaces");
  cache.remember("other", "2");
  cache.remember("other", "3");
  EXPECT_EQ(ChoiceCache(path).find("key"), "value with spaces");
  EXPECT_EQ(ChoiceCache(path).find("other"), "3");
  EXPECT_EQ(ChoiceCache(path).find("third"), std::nullopt);
}

TEST(ChoiceCache, BreaksInAKeyOrAValueAreSpaces) {
  const ChoiceCache cache(testing::scratch() / "choices");
  cache.remember("a\tb\nc", "d\ne");
  EXPECT_EQ(cache.find("a\tb\nc"), "d e");
  EXPECT_EQ(cache.read().size(), 1u);
}

TEST(ChoiceCache, WhatIsDamagedIsForgottenAndNothingElse) {
  const auto path = testing::scratch() / "choices";
  const ChoiceCache cache(path);
  const std::string first = "sterna choices 1\n";
  write(path, first + "no tab\na\t1\nb\t2\t3\nc\t4\nd\tcut o");
  EXPECT_EQ(cache.read(), (std::map<std::string, std::string>{{"a", "1"}, {"c", "4"}}));
  for (const std::string& text :
       {std::string(), std::string("sterna choices 2\na\t1\n"), std::string(1000, '\0'), first.substr(0, 7),
        std::string(300, '\xff'), first + "a\t1\n" + std::string(2 << 20, 'x')}) {
    write(path, text);
    EXPECT_TRUE(cache.read().empty()) << text.substr(0, 30);
    cache.remember("a", "new");
    EXPECT_EQ(cache.find("a"), "new");
  }
}

TEST(ChoiceCache, AFileThatCannotBeReadOrWrittenIsNoError) {
  const auto folder = testing::scratch();
  write(folder / "file", "x");
  for (const auto& path : {folder / "file" / "below", folder, std::filesystem::path("/dev/full"),
                           std::filesystem::path("/proc/sterna/choices"), std::filesystem::path()}) {
    const ChoiceCache cache(path);
    cache.remember("key", "value");
    EXPECT_EQ(cache.find("key"), std::nullopt) << path;
  }
}

TEST(ChoiceCache, ForgetsAllRatherThanGrowForever) {
  const ChoiceCache cache(testing::scratch() / "choices");
  std::string text = "sterna choices 1\n";
  for (int i = 0; i < 1100; ++i) text += std::to_string(i) + "\tv\n";
  write(testing::scratch() / "choices", text);
  cache.remember("key", "value");
  EXPECT_EQ(cache.read().size(), 1u);
}

TEST(ChoiceCache, LiesWhereTheUserKeepsCaches) {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
  const auto set = [](const char* name, const std::optional<std::string>& value) {
    value ? ::setenv(name, value->c_str(), 1) : ::unsetenv(name);
  };
  const auto cache = variable("XDG_CACHE_HOME");
  const auto home = variable("HOME");
  set("HOME", "/someone");
  set("XDG_CACHE_HOME", "/caches");
  EXPECT_EQ(ChoiceCache::default_path("x"), "/caches/sterna/x");
  for (const char* ignored : {"", "relative/folder"}) {
    set("XDG_CACHE_HOME", ignored);
    EXPECT_EQ(ChoiceCache::default_path("x"), "/someone/.cache/sterna/x");
  }
  set("XDG_CACHE_HOME", std::nullopt);
  set("HOME", std::nullopt);
  EXPECT_EQ(ChoiceCache::default_path("x"), "");
  set("HOME", home);
  set("XDG_CACHE_HOME", cache);
}

}  // namespace
}  // namespace sterna
