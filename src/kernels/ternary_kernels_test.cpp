// Every ternary kernel against the reference, by equality.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/checked.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/reference.hpp"
#include "packing/registry.hpp"
#include "support/exact_buffer.hpp"

namespace sterna {
namespace {

using testing::ExactBuffer;
using Random = std::mt19937;

/// How a packing stores a row, straight from its description.
struct Layout {
  std::size_t cols;   ///< of a block
  std::size_t bytes;  ///< of a block
  /// The block of `cols` codes, each 0 … 3 or, in base 3, 0 … 2.
  void (*pack)(const unsigned* codes, std::uint8_t* block);
  unsigned codes;

  std::size_t row_bytes(std::size_t n) const { return ceil_div(n, cols) * bytes; }
};

void pack_i2s(const unsigned* codes, std::uint8_t* block) {
  for (std::size_t k = 0; k < 128; ++k) {
    block[k % 32] |= static_cast<std::uint8_t>(codes[k] << (6 - 2 * (k / 32)));
  }
}

void pack_tq2(const unsigned* codes, std::uint8_t* block) {
  for (std::size_t k = 0; k < 256; ++k) {
    block[k / 128 * 32 + k % 32] |= static_cast<std::uint8_t>(codes[k] << 2 * (k % 128 / 32));
  }
}

void pack_tq1(const unsigned* codes, std::uint8_t* block) {
  for (const auto& [bytes, digits] : {std::pair{32, 5}, std::pair{16, 5}, std::pair{4, 4}}) {
    for (int m = 0; m < bytes; ++m) {
      unsigned number = 0;
      for (int i = 0; i < 5; ++i) number = 3 * number + (i < digits ? codes[m + i * bytes] : 0);
      *block++ = static_cast<std::uint8_t>((number * 256 + 242) / 243);
    }
    codes += bytes * digits;
  }
}

Layout layout_of(DType packing) {
  if (packing == DType::I2_S) return {128, 32, pack_i2s, 4};
  if (packing == DType::TQ2_0) return {256, 66, pack_tq2, 4};
  return {256, 54, pack_tq1, 3};
}

enum class Fill { Any, AllPlus, AllMinus, AllZero, Alternating };
constexpr unsigned kFills = 5;
/// −128, −127 and 127 everywhere; 127 and −128 in turn; ±127 with the sign of the first row's weight, which
/// makes mixed weights reach as far as equal ones.
enum class Activations { Any, AllLowest, AllMinus127, AllHighest, Alternating, SignsOfWeights };
constexpr unsigned kActivations = 6;

struct Case {
  std::size_t rows = 1;
  std::size_t cols = 1;
  std::size_t tokens = 1;
  std::size_t row_begin = 0;
  std::size_t row_end = 1;
  Fill fill = Fill::Any;
  Activations activations = Activations::Any;
  // How much longer than needed the strides are: bytes, paddings of activations, elements.
  std::size_t more_weight_stride = 0;
  std::size_t more_x_stride = 0;
  std::size_t more_out_stride = 0;

  std::string text() const {
    return "rows " + std::to_string(rows) + " cols " + std::to_string(cols) + " tokens " +
           std::to_string(tokens) + " of rows " + std::to_string(row_begin) + " to " +
           std::to_string(row_end);
  }
};

/// Numbers below 256, four of a draw: making them is most of what these tests do.
class Bytes {
 public:
  explicit Bytes(Random& random) : random_(random) {}
  unsigned next() {
    word_ = left_ == 0 ? static_cast<std::uint32_t>(random_()) : word_ >> 8;
    left_ = left_ == 0 ? 3 : left_ - 1;
    return word_ & 0xff;
  }

 private:
  Random& random_;
  std::uint32_t word_ = 0;
  int left_ = 0;
};

std::int8_t trit(Fill fill, std::size_t k, Bytes& bytes) {
  switch (fill) {
    case Fill::AllPlus:
      return 1;
    case Fill::AllMinus:
      return -1;
    case Fill::AllZero:
      return 0;
    case Fill::Alternating:
      return k % 2 == 0 ? 1 : -1;
    default:
      return static_cast<std::int8_t>(static_cast<int>(bytes.next() % 3) - 1);
  }
}

std::int8_t activation(Activations activations, std::size_t k, std::int8_t weight, Bytes& bytes) {
  switch (activations) {
    case Activations::AllLowest:
      return -128;
    case Activations::AllMinus127:
      return -127;
    case Activations::AllHighest:
      return 127;
    case Activations::Alternating:
      return k % 2 == 0 ? 127 : -128;
    case Activations::SignsOfWeights:
      return weight < 0 ? -127 : 127;
    default:
      return static_cast<std::int8_t>(bytes.next());
  }
}

/// The row in its storage; what pads it to a whole block is filled with any codes.
void pack(const Layout& layout, const std::int8_t* trits, std::size_t cols, std::uint8_t* row,
          Random& random) {
  std::fill_n(row, layout.row_bytes(cols), std::uint8_t{0});
  std::array<unsigned, 256> codes;
  for (std::size_t first = 0; first < cols; first += layout.cols, row += layout.bytes) {
    for (std::size_t k = 0; k < layout.cols; ++k) {
      codes[k] = first + k < cols ? static_cast<unsigned>(trits[first + k] + 1)
                                  : static_cast<unsigned>(random() % layout.codes);
    }
    layout.pack(codes.data(), row);
  }
}

void expect_equals_reference(const TernaryKernel& kernel, const Case& c, Random& random) {
  const Layout layout = layout_of(kernel.packing);
  std::vector<std::int8_t> trits(c.rows * c.cols);
  std::vector<std::int8_t> x(c.tokens * c.cols);
  Bytes bytes(random);
  for (std::int8_t* row = trits.data(); row != trits.data() + trits.size(); row += c.cols) {
    for (std::size_t k = 0; k < c.cols; ++k) row[k] = trit(c.fill, k, bytes);
  }
  const std::int8_t* first = trits.data();
  for (std::int8_t* token = x.data(); token != x.data() + x.size(); token += c.cols) {
    for (std::size_t k = 0; k < c.cols; ++k) token[k] = activation(c.activations, k, first[k], bytes);
  }
  std::vector<std::int32_t> expected(c.tokens * c.rows);
  reference::ternary_matmul(trits.data(), c.rows, c.cols, x.data(), c.tokens, expected.data());

  const std::size_t weight_stride = layout.row_bytes(c.cols) + c.more_weight_stride;
  ExactBuffer<std::uint8_t> weights((c.rows - 1) * weight_stride + layout.row_bytes(c.cols));
  for (std::size_t r = 0; r < c.rows; ++r) {
    pack(layout, &trits[r * c.cols], c.cols, weights.data() + r * weight_stride, random);
  }
  const std::size_t x_stride = round_up(c.cols, kActivationPadding) + c.more_x_stride * kActivationPadding;
  ExactBuffer<std::int8_t> padded_x(c.tokens * x_stride);
  ExactBuffer<std::int32_t> sums(c.tokens);
  for (std::size_t m = 0; m < c.tokens; ++m) {
    const std::int8_t* token = &x[m * c.cols];
    std::copy_n(token, c.cols, padded_x.data() + m * x_stride);
    sums[m] = std::accumulate(token, token + c.cols, 0);
  }
  constexpr std::int32_t kUntouched = 0x5a5a5a5a;
  const std::size_t out_stride = c.rows + c.more_out_stride;
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

/// Columns as models have them and as they don't, up to the widest that is published (28,672).
std::size_t random_cols(Random& random) {
  switch (random() % 8) {
    case 0:
      return 1 + random() % 28672;
    case 1:
      return 256 * (1 + random() % 112);
    case 2:
    case 3:
      return 128 * (1 + random() % 40);
    default:
      return 1 + random() % 900;
  }
}

std::size_t random_tokens(Random& random) {
  const std::size_t tokens = 1 + random() % 42;
  return random() % 4 == 0 ? 1 : tokens <= 40 ? tokens : tokens + 23;  // 1 … 40, 64, 65
}

TEST_P(TernaryKernels, EqualTheReferenceAtRandomShapes) {
  constexpr std::size_t kProducts = 100'000;  // a case's, about: the reference takes a nanosecond for each
  Random random(1);
  for (int i = 0; i < 2400; ++i) {
    Case c;
    c.cols = random_cols(random);
    c.tokens = random_tokens(random);
    c.rows = std::clamp<std::size_t>(kProducts / (c.cols * c.tokens), 1, 1 + random() % 80);
    c.row_begin = random() % 2 * (random() % c.rows);
    c.row_end = c.rows - random() % 2 * (random() % (c.rows - c.row_begin));
    if (i % 2 == 0) {
      c.fill = static_cast<Fill>(random() % kFills);
      c.activations = static_cast<Activations>(random() % kActivations);
    }
    c.more_weight_stride = random() % 2 * (random() % 100);
    c.more_x_stride = random() % 2 * (random() % 3);
    c.more_out_stride = random() % 2 * (random() % 20);
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
  for (const std::size_t cols : {256, 512, 640, 1024, 1152}) {
    for (const std::size_t rows : {15, 16, 17, 31, 32, 33, 48, 63, 64, 65}) {
      for (const std::size_t tokens : {6, 7, 9, 15, 16, 17, 31, 32, 33}) {
        if (rows * tokens > 700 && cols > 700) continue;
        const Case c{.rows = rows, .cols = cols, .tokens = tokens, .row_begin = 0, .row_end = rows};
        ASSERT_NO_FATAL_FAILURE(expect_equals_reference(GetParam(), c, random));
      }
    }
  }
}

/// A kernel may take wide rows a piece of columns at a time, several rows together.
TEST_P(TernaryKernels, WideRowsOfFewTokensEqualTheReference) {
  Random random(6);
  for (const std::size_t cols : {4864, 4865, 8320, 12416, 24576, 24577, 24705, 49280}) {
    for (std::size_t tokens = 1; tokens <= 6; ++tokens) {
      const Case c{.rows = 6, .cols = cols, .tokens = tokens, .row_begin = 0, .row_end = 6};
      ASSERT_NO_FATAL_FAILURE(expect_equals_reference(GetParam(), c, random));
    }
  }
}

/// The sums that reach furthest: every partial accumulator must hold them.
TEST_P(TernaryKernels, ExtremeSumsAreExact) {
  Random random(3);
  for (const std::size_t cols : {2048, 8640, 28672, 28673}) {
    for (const std::size_t tokens : {1, 5, 17}) {
      for (unsigned fill = 0; fill < kFills; ++fill) {
        for (unsigned activations = 0; activations < kActivations; ++activations) {
          const Case c{.rows = 2,
                       .cols = cols,
                       .tokens = tokens,
                       .row_begin = 0,
                       .row_end = 2,
                       .fill = static_cast<Fill>(fill),
                       .activations = static_cast<Activations>(activations)};
          ASSERT_NO_FATAL_FAILURE(expect_equals_reference(GetParam(), c, random));
        }
      }
    }
  }
}

/// Base 3 has bytes that no packing writes; every one of the 256 has digits all the same.
TEST(Base3Kernels, TakeEveryByteAsThePackingUnpacksIt) {
  constexpr std::size_t kRows = 5;
  constexpr std::size_t kCols = 256 * 12;
  constexpr std::size_t kRowBytes = kCols / 256 * 54;
  Random random(4);
  Bytes bytes(random);
  ExactBuffer<std::uint8_t> weights(kRows * kRowBytes);
  for (std::size_t i = 0; i < kRows * kRowBytes; ++i) {
    const bool scale = i % 54 >= 52;
    weights.data()[i] = static_cast<std::uint8_t>(scale ? i % 54 == 52 ? 0x00 : 0x3c : i * 7 + i / 256);
  }
  const TernaryMatrix matrix =
      find_packing(DType::TQ1_0)
          ->unpack(std::as_bytes(std::span(weights.data(), kRows * kRowBytes)), kRows, kCols, {});
  for (const std::size_t tokens : {1, 2, 3, 9}) {
    ExactBuffer<std::int8_t> x(tokens * kCols);
    ExactBuffer<std::int32_t> sums(tokens);
    for (std::size_t i = 0; i < tokens * kCols; ++i) x.data()[i] = static_cast<std::int8_t>(bytes.next());
    for (std::size_t m = 0; m < tokens; ++m) {
      sums[m] = std::accumulate(x.data() + m * kCols, x.data() + (m + 1) * kCols, 0);
    }
    std::vector<std::int32_t> expected(tokens * kRows);
    std::vector<std::int32_t> out(tokens * kRows);
    reference::ternary_matmul(matrix.trits.data(), kRows, kCols, x.data(), tokens, expected.data());
    for (const TernaryKernel& kernel : ternary_kernels()) {
      if (kernel.packing != DType::TQ1_0 || !supported(kernel.required)) continue;
      kernel.run({weights.data(), kRowBytes, kCols, x.data(), kCols, sums.data(), tokens, 0, kRows,
                  out.data(), kRows});
      EXPECT_EQ(out, expected) << kernel.name << ", " << tokens << " tokens";
    }
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
