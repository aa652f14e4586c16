// Every ternary kernel against the reference, by equality.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/checked.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/reference.hpp"
#include "support/exact_buffer.hpp"

namespace sterna {
namespace {

using testing::ExactBuffer;
using Random = std::mt19937;

/// How a packing stores a row, straight from its description.
struct Layout {
  std::size_t group_cols;
  std::size_t group_bytes;
  /// Byte and shift of element k of a group.
  std::pair<std::size_t, int> (*place)(std::size_t k);

  std::size_t row_bytes(std::size_t cols) const { return ceil_div(cols, group_cols) * group_bytes; }
};

Layout layout_of(DType packing) {
  if (packing == DType::I2_S) {
    return {128, 32, [](std::size_t k) { return std::pair{k % 32, 6 - 2 * static_cast<int>(k / 32)}; }};
  }
  return {256, 66, [](std::size_t k) {
            return std::pair{k / 128 * 32 + k % 32, 2 * static_cast<int>(k % 128 / 32)};
          }};
}

enum class Fill { Any, AllPlus, AllMinus, AllZero, Alternating };
enum class Activations { Any, AllLowest, AllHighest, Alternating };

struct Case {
  std::size_t rows = 1;
  std::size_t cols = 1;
  std::size_t tokens = 1;
  std::size_t row_begin = 0;
  std::size_t row_end = 1;
  Fill fill = Fill::Any;
  Activations activations = Activations::Any;

  std::string text() const {
    return "rows " + std::to_string(rows) + " cols " + std::to_string(cols) + " tokens " +
           std::to_string(tokens) + " of rows " + std::to_string(row_begin) + " to " +
           std::to_string(row_end);
  }
};

/// Of column k. Alternating trits and activations agree in sign: every product is positive.
std::int8_t trit(Fill fill, std::size_t k, Random& random) {
  switch (fill) {
    case Fill::Alternating:
      return k % 2 == 0 ? 1 : -1;
    case Fill::AllPlus:
      return 1;
    case Fill::AllMinus:
      return -1;
    case Fill::AllZero:
      return 0;
    default:
      return static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1);
  }
}

std::int8_t activation(Activations activations, std::size_t k, Random& random) {
  switch (activations) {
    case Activations::Alternating:
      return k % 2 == 0 ? 127 : -128;
    case Activations::AllLowest:
      return -128;
    case Activations::AllHighest:
      return 127;
    default:
      return static_cast<std::int8_t>(random() & 0xff);
  }
}

/// The row in its storage; what pads it to a whole group is filled with any codes.
void pack(const Layout& layout, const std::int8_t* trits, std::size_t cols, std::uint8_t* row,
          Random& random) {
  const std::size_t padded = round_up(cols, layout.group_cols);
  std::fill_n(row, layout.row_bytes(cols), std::uint8_t{0});
  for (std::size_t k = 0; k < padded; ++k) {
    const auto code = k < cols ? static_cast<unsigned>(trits[k] + 1) : static_cast<unsigned>(random() % 4);
    const auto [byte, shift] = layout.place(k % layout.group_cols);
    row[k / layout.group_cols * layout.group_bytes + byte] |= static_cast<std::uint8_t>(code << shift);
  }
}

void expect_equals_reference(const TernaryKernel& kernel, const Case& c, Random& random) {
  const Layout layout = layout_of(kernel.packing);
  std::vector<std::int8_t> trits(c.rows * c.cols);
  std::vector<std::int8_t> x(c.tokens * c.cols);
  for (std::size_t i = 0; i < trits.size(); ++i) trits[i] = trit(c.fill, i % c.cols, random);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = activation(c.activations, i % c.cols, random);
  std::vector<std::int32_t> expected(c.tokens * c.rows);
  reference::ternary_matmul(trits.data(), c.rows, c.cols, x.data(), c.tokens, expected.data());

  const std::size_t weight_stride = layout.row_bytes(c.cols);
  ExactBuffer<std::uint8_t> weights(c.rows * weight_stride);
  for (std::size_t r = 0; r < c.rows; ++r) {
    pack(layout, &trits[r * c.cols], c.cols, weights.data() + r * weight_stride, random);
  }
  const std::size_t x_stride = round_up(c.cols, kActivationPadding);
  ExactBuffer<std::int8_t> padded_x(c.tokens * x_stride);
  ExactBuffer<std::int32_t> sums(c.tokens);
  for (std::size_t m = 0; m < c.tokens; ++m) {
    std::copy_n(&x[m * c.cols], c.cols, padded_x.data() + m * x_stride);
    for (std::size_t k = 0; k < c.cols; ++k) sums[m] += x[m * c.cols + k];
  }
  constexpr std::int32_t kUntouched = 0x5a5a5a5a;
  const std::size_t out_stride = c.rows + random() % 3;
  ExactBuffer<std::int32_t> out(c.tokens * out_stride);
  std::fill(out.begin(), out.end(), kUntouched);

  kernel.run({weights.data(), weight_stride, c.cols, padded_x.data(), x_stride, sums.data(), c.tokens,
              c.row_begin, c.row_end, out.data(), out_stride});

  for (std::size_t m = 0; m < c.tokens; ++m) {
    for (std::size_t r = 0; r < out_stride; ++r) {
      const bool asked = r >= c.row_begin && r < c.row_end;
      ASSERT_EQ(out[m * out_stride + r], asked ? expected[m * c.rows + r] : kUntouched)
          << kernel.name << ": token " << m << " row " << r << ", " << c.text();
    }
  }
}

class TernaryKernels : public ::testing::TestWithParam<TernaryKernel> {
 protected:
  void SetUp() override {
    if (!supported(GetParam().required)) GTEST_SKIP() << "not on this processor";
  }
};
INSTANTIATE_TEST_SUITE_P(Table, TernaryKernels,
                         ::testing::ValuesIn(ternary_kernels().begin(), ternary_kernels().end()),
                         [](const auto& row) {
                           std::string name(row.param.name);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(TernaryKernels, EqualTheReferenceAtRandomShapes) {
  Random random(1);
  for (int i = 0; i < 600; ++i) {
    Case c;
    c.rows = 1 + random() % 21;
    c.cols = 1 + random() % (i % 8 == 0 ? 4500 : 700);
    c.tokens = 1 + (i % 3 == 0 ? 0 : random() % 33);
    c.row_begin = random() % c.rows;
    c.row_end = c.row_begin + 1 + random() % (c.rows - c.row_begin);
    c.fill = static_cast<Fill>(i % 16 < 4 ? i % 16 : 0);
    c.activations = static_cast<Activations>(random() % 3);
    ASSERT_NO_FATAL_FAILURE(expect_equals_reference(GetParam(), c, random));
  }
}

TEST_P(TernaryKernels, EqualTheReferenceAtEveryEdgeOfATile) {
  Random random(2);
  for (const std::size_t cols : {1, 31, 32, 33, 127, 128, 129, 255, 256, 257, 2047, 2048, 2049, 2560}) {
    for (const std::size_t rows : {1, 2, 3, 8, 9}) {
      for (const std::size_t tokens : {1, 2, 3, 4, 5, 8}) {
        const Case c{.rows = rows, .cols = cols, .tokens = tokens, .row_begin = 0, .row_end = rows};
        ASSERT_NO_FATAL_FAILURE(expect_equals_reference(GetParam(), c, random));
      }
    }
  }
}

/// The sums that reach furthest: every partial accumulator must hold them.
TEST_P(TernaryKernels, ExtremeSumsAreExact) {
  Random random(3);
  for (const std::size_t cols : {2048, 8640, 28672, 28673}) {
    for (const std::size_t tokens : {1, 5}) {
      for (const Fill fill : {Fill::AllPlus, Fill::AllMinus, Fill::AllZero}) {
        for (const Activations activations : {Activations::AllLowest, Activations::AllHighest}) {
          const Case c{.rows = 3,
                       .cols = cols,
                       .tokens = tokens,
                       .row_begin = 0,
                       .row_end = 3,
                       .fill = fill,
                       .activations = activations};
          ASSERT_NO_FATAL_FAILURE(expect_equals_reference(GetParam(), c, random));
        }
      }
    }
  }
}

/// Rows of every length up to the longest in use, ranges of rows and counts of tokens that divide no tile,
/// and every pairing of patterns.
TEST_P(TernaryKernels, EqualTheReferenceAtAdversarialShapes) {
  constexpr std::size_t kTokens[] = {1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 17};
  constexpr int kPairings = 5 * 4;
  Random random(4);
  for (int i = 0; i < 50 * kPairings; ++i) {
    Case c;
    c.cols = i % 49 == 0 ? 4500 + random() % 24173 : 1 + random() % 1500;
    c.rows = 1 + random() % (c.cols > 4500 ? 3 : 37);
    c.tokens = kTokens[random() % std::size(kTokens)];
    c.row_begin = random() % c.rows;
    c.row_end = c.row_begin + 1 + random() % (c.rows - c.row_begin);
    c.fill = static_cast<Fill>(i % 5);
    c.activations = static_cast<Activations>(i / 5 % 4);
    ASSERT_NO_FATAL_FAILURE(expect_equals_reference(GetParam(), c, random));
  }
}

TEST(Reference, MultipliesByHand) {
  const std::int8_t trits[] = {1, -1, 0, 0, 1, 1};  // [2, 3]
  const std::int8_t x[] = {5, 7, -128, 1, 2, 3};    // [2, 3]
  std::int32_t out[4];
  reference::ternary_matmul(trits, 2, 3, x, 2, out);
  EXPECT_EQ(out[0], -2);
  EXPECT_EQ(out[1], -121);
  EXPECT_EQ(out[2], -1);
  EXPECT_EQ(out[3], 5);
}

}  // namespace
}  // namespace sterna
