// Every row of a product is dealt exactly once with every token, in pieces that every buffer holds.
#include "backend/product_pieces.hpp"

#include <gtest/gtest.h>

namespace sterna {
namespace {

constexpr PieceShape kShapes[] = {
    {.rows = 64}, {.rows = 16, .activation_bytes = 1 << 20}, {.rows = 32, .activation_bytes = 1}};

TEST(ProductPieces, CoverEveryRowAndTokenOnceInOrder) {
  for (const PieceShape& shape : kShapes) {
    for (const std::size_t rows : {1, 15, 16, 17, 63, 64, 511, 528, 640, 2560, 3840, 6912, 13824, 128256}) {
      for (const std::size_t tokens : {1, 2, 8, 9, 65, 512, 513}) {
        for (const std::size_t threads : {1, 2, 3, 16, 64}) {
          const ProductPieces pieces(rows, 6912, tokens, threads, shape);
          std::size_t row = 0, token = 0, last = 0;
          for (std::size_t i = 0; i < pieces.count(); ++i) {
            const ProductPiece piece = pieces[i];
            if (row == rows) row = 0, token = last;
            ASSERT_EQ(piece.begin, row) << rows << ", " << tokens << ", " << threads << ", " << i;
            ASSERT_EQ(piece.first, token) << rows << ", " << tokens << ", " << threads << ", " << i;
            ASSERT_LT(piece.begin, piece.end);
            ASSERT_LT(piece.first, piece.last);
            ASSERT_LE(piece.rows() * piece.tokens(), ProductPieces::most(tokens, shape.rows));
            ASSERT_TRUE(row == 0 || piece.last == last);
            row = piece.end;
            last = piece.last;
          }
          ASSERT_EQ(row, rows) << tokens << ", " << threads;
          ASSERT_EQ(last, tokens) << rows << ", " << threads;
        }
      }
    }
  }
}

TEST(ProductPieces, OfOneTokenGetShorterTowardsTheEnd) {
  const ProductPieces pieces(6912, 2560, 1, 2, {.rows = 64});
  EXPECT_EQ(pieces[0].rows(), 2060u);
  EXPECT_EQ(pieces[2].rows(), 932u);
  for (std::size_t i = 1; i < pieces.count(); ++i) EXPECT_LE(pieces[i].rows(), pieces[i - 1].rows());
  EXPECT_EQ(pieces[pieces.count() - 2].rows(), 60u);
}

TEST(ProductPieces, OneThreadHasNobodyToWaitFor) {
  EXPECT_EQ(ProductPieces(1280, 512, 1, 1, {.rows = 64}).count(), 1u);
  EXPECT_EQ(ProductPieces(6912, 2560, 1, 1, {.rows = 64}).count(), 4u);
}

TEST(ProductPieces, StreamsOfOneTokenAreNoWholePagesApart) {
  for (const std::size_t threads : {1, 2, 16}) {
    const ProductPieces pieces(14336, 4096, 1, threads, {.rows = 64});
    for (std::size_t i = 0; i + 1 < pieces.count(); ++i) EXPECT_NE(pieces[i].rows() / 4 * 1024 % 4096, 0u);
  }
}

TEST(ProductPieces, TokensAreSplitWhereTheirActivationsDoNotFit) {
  const PieceShape shape{.rows = 16, .activation_bytes = 1 << 20};
  EXPECT_EQ(ProductPieces(2560, 2560, 512, 16, shape)[0].tokens(), 256u);
  EXPECT_EQ(ProductPieces(2560, 6912, 512, 16, shape)[0].tokens(), 128u);
  EXPECT_EQ(ProductPieces(2560, 6912, 128, 16, shape)[0].tokens(), 128u);
  EXPECT_EQ(ProductPieces(2560, 6912, 512, 16, {.rows = 64})[0].tokens(), 512u);
}

}  // namespace
}  // namespace sterna
