#include "session/ngram_index.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/allocations.hpp"

namespace sterna {
namespace {

/// Tries every earlier place, the latest first, for the longest n-gram first.
NgramIndex::Match searched(std::span<const TokenId> tokens) {
  const std::size_t size = tokens.size();
  for (std::size_t n = std::min(NgramIndex::kLongest, size); n >= NgramIndex::kShortest; --n) {
    for (std::size_t end = size - 1; end >= n; --end) {
      if (std::ranges::equal(tokens.subspan(end - n, n), tokens.last(n))) return {end, n};
    }
  }
  return {};
}

class Ids {
 public:
  explicit Ids(std::uint64_t seed) : state_(seed) {}
  TokenId below(std::uint32_t bound) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX generator
    return static_cast<TokenId>((state_ >> 33) % bound);
  }

 private:
  std::uint64_t state_;
};

TEST(NgramIndex, FindsWhatASearchFinds) {
  for (const std::uint32_t vocab : {1u, 2u, 3u, 10u, 128256u}) {
    for (const std::uint32_t capacity : {1u, 2u, 3u, 5u, 16u, 301u}) {
      SCOPED_TRACE("vocab " + std::to_string(vocab) + ", capacity " + std::to_string(capacity));
      NgramIndex index(capacity);
      Ids ids(vocab + capacity);
      std::vector<TokenId> kept;
      for (int i = 0; i < 1000; ++i) {
        // Every now and then a piece of the past comes again.
        const TokenId id = i % 40 > 25 && kept.size() > 12 ? kept[kept.size() - 12] : ids.below(vocab);
        if (kept.size() == capacity) kept.erase(kept.begin(), kept.end() - capacity / 2);
        kept.push_back(id);
        index.push(id);
        ASSERT_TRUE(std::ranges::equal(index.tokens(), kept));
        const auto expected = searched(kept);
        ASSERT_EQ(index.match().length, expected.length) << "token " << i;
        ASSERT_EQ(index.match().next, expected.next) << "token " << i;
      }
    }
  }
}

TEST(NgramIndex, AnOccurrenceMayOverlapTheEnd) {
  NgramIndex index(16);
  for (int i = 0; i < 6; ++i) index.push(7);
  EXPECT_EQ(index.match().length, 4u);
  EXPECT_EQ(index.match().next, 5u);
}

TEST(NgramIndex, AllocatesNothingOnceItIsMade) {
  NgramIndex index(64);
  Ids ids(1);
  const std::size_t before = testing::allocations();
  for (int i = 0; i < 1000; ++i) index.push(ids.below(20));
  EXPECT_EQ(testing::allocations() - before, 0u);
}

}  // namespace
}  // namespace sterna
