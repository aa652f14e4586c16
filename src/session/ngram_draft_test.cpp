#include "session/ngram_draft.hpp"

#include <gtest/gtest.h>

namespace sterna {
namespace {

using Guesses = std::vector<TokenId>;

Guesses guesses(NgramDraft& draft, std::size_t room = 100) {
  const auto found = draft.guess(room);
  return {found.begin(), found.end()};
}

TEST(NgramDraft, GuessesNothingWithoutAnEarlierOccurrence) {
  NgramDraft draft(100, 8);
  EXPECT_EQ(guesses(draft), Guesses{});
  for (const TokenId id : {1, 2, 3, 4, 5, 1}) draft.read(id);
  EXPECT_EQ(guesses(draft), Guesses{});
}

TEST(NgramDraft, GuessesWhatFollowedAndNoMoreThanThereIsRoomFor) {
  NgramDraft draft(200, 8);
  for (TokenId id = 0; id < 80; ++id) draft.read(id);
  for (TokenId id = 0; id < 60; ++id) draft.push(id);  // copied: guesses become certain
  EXPECT_EQ(guesses(draft), (Guesses{60, 61, 62, 63, 64, 65, 66, 67}));
  EXPECT_EQ(guesses(draft, 3), (Guesses{60, 61, 62}));
  EXPECT_EQ(guesses(draft, 0), Guesses{});
}

TEST(NgramDraft, GoesRoundALoopThatIsShorterThanTheDraft) {
  NgramDraft draft(100, 8);
  for (int i = 0; i < 62; ++i) draft.push(i % 3);
  EXPECT_EQ(guesses(draft), (Guesses{2, 0, 1, 2, 0, 1, 2, 0}));
}

TEST(NgramDraft, MoreRightGuessesMakeLongerDraftsAndWrongOnesNone) {
  NgramDraft draft(1000, 8);
  for (TokenId id = 0; id < 300; ++id) draft.read(id);
  std::size_t before = 0;
  for (TokenId id = 0; id < 40; ++id) {
    draft.push(id);
    const std::size_t now = guesses(draft).size();
    if (id > 3) {  // from here on the match has its full length
      EXPECT_GE(now, before);
      before = now;
    }
  }
  EXPECT_EQ(before, 8u);
  // Runs of four that are known, each followed by something else than before.
  for (TokenId start = 50; start < 290; start += 6) {
    for (TokenId id = start; id < start + 4; ++id) draft.push(id);
    before = guesses(draft).size();
    draft.push(500 + start);
  }
  EXPECT_EQ(before, 0u);
}

}  // namespace
}  // namespace sterna
