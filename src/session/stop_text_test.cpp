#include "session/stop_text.hpp"

#include <gtest/gtest.h>

namespace sterna {
namespace {

std::string run(StopText& stop, const std::vector<std::string>& pieces) {
  std::string out;
  for (const auto& piece : pieces) {
    out += stop.push(piece);
    if (stop.stopped()) return out;
  }
  return out + std::string(stop.finish());
}

TEST(StopText, EndsBeforeAStopThatComesInPieces) {
  StopText stop({"</s>", "END"});
  EXPECT_EQ(run(stop, {"a <", "/", "s", "> b"}), "a ");
  EXPECT_TRUE(stop.stopped());
}

TEST(StopText, GivesBackWhatOnlyLookedLikeAStop) {
  StopText stop({"END"});
  EXPECT_EQ(run(stop, {"E", "EN", "D of"}), "E");
  StopText other({"END"});
  EXPECT_EQ(run(other, {"EN", "EN", "E"}), "ENENE");
  EXPECT_FALSE(other.stopped());
}

TEST(StopText, PassesEverythingWithoutStops) {
  StopText stop({""});
  EXPECT_EQ(stop.push("abc"), "abc");
}

TEST(StopText, TheEarliestStopWins) {
  StopText stop({"cd", "b"});
  EXPECT_EQ(run(stop, {"abcd"}), "a");
}

}  // namespace
}  // namespace sterna
