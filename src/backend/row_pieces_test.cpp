// Every row of a product is dealt exactly once, in pieces that every buffer holds.
#include "backend/row_pieces.hpp"

#include <gtest/gtest.h>

namespace sterna {
namespace {

TEST(RowPieces, CoverEveryRowOnceInOrder) {
  for (const std::size_t rows : {1, 15, 16, 17, 63, 64, 511, 528, 640, 2560, 3840, 6912, 13824, 128256}) {
    for (const std::size_t tokens : {1, 2, 8, 9, 512}) {
      for (const std::size_t threads : {1, 2, 3, 16, 64}) {
        const RowPieces pieces(rows, tokens, threads, 64);
        std::size_t next = 0;
        for (std::size_t i = 0; i < pieces.count(); ++i) {
          const auto [begin, end] = pieces[i];
          ASSERT_EQ(begin, next) << rows << ", " << tokens << ", " << threads << ", " << i;
          ASSERT_LT(begin, end);
          ASSERT_LE(end - begin, RowPieces::most(tokens, 64));
          next = end;
        }
        ASSERT_EQ(next, rows) << tokens << ", " << threads;
      }
    }
  }
}

TEST(RowPieces, LastAreShort) {
  const RowPieces pieces(2560, 1, 2, 64);
  EXPECT_EQ(pieces[0].end, 320u);
  const auto [begin, end] = pieces[pieces.count() - 1];
  EXPECT_EQ(end - begin, 64u);
}

}  // namespace
}  // namespace sterna
