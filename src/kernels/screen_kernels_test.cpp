// The coarse products of a screened head: every row of the table against a plain loop, by equality.
#include "kernels/screen_kernels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "kernels/kernel_table.hpp"
#include "support/exact_buffer.hpp"

namespace sterna {
namespace {

using testing::ExactBuffer;

class ScreenKernels : public ::testing::TestWithParam<ScreenKernel> {
 protected:
  void SetUp() override {
    if (!supported(GetParam().required)) GTEST_SKIP() << "not on this processor";
  }

  struct Case {
    Case(std::size_t n_cols, std::size_t n_rows, std::size_t gap)
        : cols(n_cols),
          row_count(n_rows),
          stride(cols / 2 + screen_multipliers(cols) + gap),
          rows(n_rows * stride - gap),
          high(cols),
          low(cols) {}

    /// Runs rows [begin, row_count) and compares each with one multiplication and one addition at a time.
    void expect_exact(std::size_t begin) const {
      const std::size_t blocks = cols / kScreenBlock;
      ExactBuffer<std::int16_t> high_sums(screen_multipliers(cols)), low_sums(screen_multipliers(cols));
      ExactBuffer<std::int64_t> out(row_count - begin);
      const auto at = [&](std::size_t k) { return k / 32 % 2 * (cols / 2) + k / 64 * 32 + k % 32; };
      for (std::size_t k = 0; k < cols; ++k) {
        high_sums[k / 32] = static_cast<std::int16_t>(high_sums[k / 32] + high[at(k)]);
        low_sums[k / 32] = static_cast<std::int16_t>(low_sums[k / 32] + low[at(k)]);
      }
      GetParam().run({.rows = rows.data(),
                      .stride = stride,
                      .cols = cols,
                      .high = high.data(),
                      .low = low.data(),
                      .high_sums = high_sums.data(),
                      .low_sums = low_sums.data(),
                      .row_begin = begin,
                      .row_end = row_count,
                      .out = out.data()});
      for (std::size_t r = begin; r < row_count; ++r) {
        const std::uint8_t* row = rows.data() + r * stride;
        std::int64_t expected = 0;
        for (std::size_t k = 0; k < cols; ++k) {
          const unsigned byte = row[k / 64 * 32 + k % 32];
          const int code = static_cast<int>(k % 64 < 32 ? byte & 15 : byte >> 4);
          expected +=
              std::int64_t{row[cols / 2 + k / 32]} * (2 * code - 15) * (128 * high[at(k)] + low[at(k)]);
        }
        ASSERT_EQ(out[r - begin], expected) << "row " << r << " of " << blocks << " blocks";
      }
    }

    std::size_t cols, row_count, stride;
    ExactBuffer<std::uint8_t> rows;
    ExactBuffer<std::int8_t> high, low;
  };
};
INSTANTIATE_TEST_SUITE_P(Table, ScreenKernels,
                         ::testing::ValuesIn(screen_kernels().begin(), screen_kernels().end()),
                         [](const auto& row) { return std::string(row.param.isa); });

TEST_P(ScreenKernels, AreExactAtRandomShapes) {
  std::mt19937 random(5);
  for (int i = 0; i < 2000; ++i) {
    Case c(kScreenGroup * (1 + random() % 12), 1 + random() % 6, random() % 3 * 8);
    for (auto& byte : c.rows) byte = static_cast<std::uint8_t>(random());
    for (std::size_t r = 0; r < c.row_count; ++r) {
      std::uint8_t* multipliers = c.rows.data() + r * c.stride + c.cols / 2;
      for (std::size_t b = 0; b < screen_multipliers(c.cols); ++b) {
        multipliers[b] = static_cast<std::uint8_t>(b < c.cols / 32 ? random() % (kMostMultiplier + 1) : 0);
      }
    }
    for (auto& v : c.high) v = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
    for (auto& v : c.low) v = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
    ASSERT_NO_FATAL_FAILURE(c.expect_exact(random() % c.row_count));
  }
}

TEST_P(ScreenKernels, AreExactAtTheirBounds) {
  for (const std::size_t cols : {kScreenGroup, std::size_t{2560}, std::size_t{8192}, kMostScreenCols}) {
    for (const auto codes : {std::uint8_t{0}, std::uint8_t{0xff}}) {
      for (const int h : {-127, 127}) {
        for (const int l : {-127, 127}) {
          Case c(cols, 1, 0);
          std::fill_n(c.rows.begin(), cols / 2, codes);
          std::fill_n(c.rows.begin() + cols / 2, cols / 32, std::uint8_t{kMostMultiplier});
          for (auto& v : c.high) v = static_cast<std::int8_t>(h);
          for (auto& v : c.low) v = static_cast<std::int8_t>(l);
          ASSERT_NO_FATAL_FAILURE(c.expect_exact(0));
        }
      }
    }
  }
}

TEST(ScreenKernelOf, GivesTheRowOfTheSetOrTheNextOneBelow) {
  EXPECT_EQ(screen_kernel_of("generic").isa, "generic");
  for (const ScreenKernel& row : screen_kernels()) {
    if (supported(row.required)) {
      EXPECT_EQ(screen_kernel_of(row.isa).isa, row.isa);
    }
  }
#if defined(__x86_64__)
  if (supported(screen_kernels().front().required)) {
    EXPECT_EQ(screen_kernel_of("amx").isa, "avx512");
  }
#endif
}

}  // namespace
}  // namespace sterna
