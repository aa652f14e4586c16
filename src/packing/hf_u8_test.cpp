#include "packing/hf_u8.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "sterna/error.hpp"

namespace sterna {
namespace {

TernaryMatrix random_matrix(std::uint64_t rows, std::uint64_t cols) {
  std::mt19937 random(static_cast<unsigned>(rows * 100 + cols));
  TernaryMatrix matrix{rows, cols, std::vector<std::int8_t>(rows * cols), {ScaleGrain::Tensor, {0.5f}, 0}};
  for (auto& trit : matrix.trits) trit = static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1);
  return matrix;
}

TEST(HfU8, TheExampleOfTransformers) {
  // The docstring of its unpack_weights: 2 packed rows of 2 are 8 rows, the low bits first.
  const std::vector<std::byte> bytes{std::byte{0b10100001}, std::byte{0b00011000}, std::byte{0b10010000},
                                     std::byte{0b00001010}};
  const TernaryMatrix matrix = unpack_hf_u8(bytes, 8, 2, 1.0f);
  const std::vector<std::int8_t> expected{0, -1, -1, 1, -1, 1, -1, 1, 1, 0, 0, -1, 1, -1, 1, -1};
  EXPECT_EQ(matrix.trits, expected);
  EXPECT_EQ(pack_hf_u8(matrix), bytes);
}

TEST(HfU8, SurvivesTheRoundTripAtOddShapes) {
  for (const std::uint64_t rows : {0, 1, 2, 3, 4, 5, 6, 7, 9, 64}) {
    for (const std::uint64_t cols : {0, 1, 3, 65}) {
      const TernaryMatrix in = random_matrix(rows, cols);
      const auto bytes = pack_hf_u8(in);
      EXPECT_EQ(bytes.size(), (rows + 3) / 4 * cols);
      EXPECT_EQ(unpack_hf_u8(bytes, rows, cols, 0.5f).trits, in.trits) << rows << " x " << cols;
    }
  }
}

TEST(HfU8, FieldsOfRowsThatDoNotExistAreIgnored) {
  auto bytes = pack_hf_u8(random_matrix(5, 3));  // 2 packed rows: rows 5, 6, 7 do not exist
  for (std::size_t c = 0; c < 3; ++c) bytes[3 + c] |= std::byte{0b11'11'11'00} & ~std::byte{0b00'00'11'00};
  EXPECT_EQ(unpack_hf_u8(bytes, 5, 3, 1.0f).trits, random_matrix(5, 3).trits);
}

TEST(HfU8, NamesWhatIsWrong) {
  auto bytes = pack_hf_u8(random_matrix(8, 3));
  const auto error_of = [&](std::uint64_t rows, std::uint64_t cols, float scale) {
    try {
      unpack_hf_u8(bytes, rows, cols, scale);
    } catch (const Error& error) {
      return error;
    }
    return Error(ErrorCategory::Internal, "nothing thrown");
  };
  EXPECT_EQ(error_of(9, 3, 1).category(), ErrorCategory::Format);
  EXPECT_EQ(error_of(8, 2, 1).category(), ErrorCategory::Format);
  EXPECT_EQ(error_of(~std::uint64_t{0}, ~std::uint64_t{0}, 1).category(), ErrorCategory::Format);
  EXPECT_EQ(error_of(8, 3, std::numeric_limits<float>::infinity()).category(),
            ErrorCategory::InvalidArgument);
  bytes[1 * 3 + 2] |= std::byte{0b00'11'00'00};  // packed row 1, field 2: row 1 + 2 · 2
  const Error error = error_of(8, 3, 1);
  EXPECT_EQ(error.category(), ErrorCategory::Format);
  EXPECT_EQ(error.value("row"), "5");
  EXPECT_EQ(error.value("column"), "2");
}

}  // namespace
}  // namespace sterna
