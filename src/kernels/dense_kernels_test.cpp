// Dense products: every instruction set against a naive one in the canonical order by equality of bits, and
// that against double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "base/checked.hpp"
#include "base/half.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/reference.hpp"
#include "support/float_operations.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

using testing::ExactBuffer;
using testing::expect_same;
using testing::fill;
using testing::Floats;
using testing::kInfinity;
using testing::kNaN;
using testing::Random;

/// A row of random stored bytes that decodes to finite numbers.
void fill_row(DType dtype, std::byte* row, std::size_t cols, Random& random) {
  const auto put = [&](std::size_t at, const auto& value) { std::memcpy(row + at, &value, sizeof value); };
  const auto half = [&] {
    return f32_to_f16(std::ldexp(1.0f + static_cast<float>(random() % 1000) / 1000.0f,
                                 static_cast<int>(random() % 30) - 22) *
                      (random() % 2 ? 1.0f : -1.0f));
  };
  const auto bytes = *storage_bytes(dtype, 1, cols);
  for (std::size_t i = 0; i < bytes; ++i) row[i] = static_cast<std::byte>(random() & 0xff);
  std::normal_distribution<float> normal;
  switch (dtype) {
    case DType::F32:
      for (std::size_t k = 0; k < cols; ++k) put(4 * k, normal(random));
      break;
    case DType::F16:
      for (std::size_t k = 0; k < cols; ++k) put(2 * k, half());
      break;
    case DType::BF16:
      for (std::size_t k = 0; k < cols; ++k) put(2 * k, f32_to_bf16(normal(random)));
      break;
    case DType::Q8_0:
      for (std::size_t b = 0; b < cols / 32; ++b) put(b * 34, half());
      break;
    case DType::Q4_0:
      for (std::size_t b = 0; b < cols / 32; ++b) put(b * 18, half());
      break;
    default:
      for (std::size_t b = 0; b < cols / 256; ++b) put(b * 210 + 208, half());
  }
}

class DenseProducts : public testing::FloatOperations {};
INSTANTIATE_TEST_SUITE_P(Table, DenseProducts,
                         ::testing::ValuesIn(float_kernels().begin(), float_kernels().end()),
                         [](const auto& row) { return std::string(row.param.isa); });

TEST_P(DenseProducts, AreTheCanonicalSumOfDequantisedRows) {
  for (const DType dtype : {DType::F32, DType::F16, DType::BF16}) {
    for (int i = 0; i < 60; ++i) {
      const std::size_t cols = 1 + random_() % 300;
      const std::size_t rows = 1 + random_() % 9;
      const std::size_t tokens = 1 + (i % 2) * (random_() % 60);
      const std::size_t row_begin = random_() % rows;
      const std::size_t x_stride = cols + random_() % 5;
      const std::size_t stride = *storage_bytes(dtype, 1, cols);
      ExactBuffer<std::byte> weights(rows * stride);
      Floats x((tokens - 1) * x_stride + cols), out(tokens * rows);
      std::vector<float> decoded(cols);
      fill(x, random_);
      for (std::size_t r = 0; r < rows; ++r) fill_row(dtype, weights.data() + r * stride, cols, random_);
      dense_kernel(kernels_, dtype)({.weights = weights.data(),
                                     .weight_stride = stride,
                                     .cols = cols,
                                     .x = x.data(),
                                     .x_stride = x_stride,
                                     .tokens = tokens,
                                     .row_begin = row_begin,
                                     .row_end = rows,
                                     .out = out.data(),
                                     .out_stride = rows});
      for (std::size_t r = row_begin; r < rows; ++r) {
        dequantize_row(dtype, weights.data() + r * stride, cols, decoded.data());
        for (std::size_t m = 0; m < tokens; ++m) {
          const float expected = reference::dot(decoded.data(), x.data() + m * x_stride, cols);
          ASSERT_NO_FATAL_FAILURE(expect_same(&out[m * rows + r], &expected, 1, name(dtype)))
              << "row " << r << " token " << m << " of " << tokens << " cols " << cols;
        }
      }
    }
  }
}

constexpr DType kBlockTypes[] = {DType::Q8_0, DType::Q6_K, DType::Q4_0};

TEST_P(DenseProducts, OfBlockTypesAreIntegersInsideABlock) {
  for (const DType dtype : kBlockTypes) {
    const std::size_t block = info(dtype).block_elements;
    for (int i = 0; i < 160; ++i) {
      const std::size_t cols = block * (1 + random_() % (block == 32 ? 20 : 4));
      const std::size_t rows = 1 + random_() % 9;
      // One, a few, or any number: each has loops of its own.
      const std::size_t tokens = 1 + (i % 4 < 2 ? 0 : random_() % (i % 4 == 2 ? 8 : 40));
      const std::size_t row_begin = random_() % rows;
      const std::size_t x_stride = cols + random_() % 5;
      const std::size_t stride = *storage_bytes(dtype, 1, cols);
      ExactBuffer<std::byte> weights(rows * stride);
      ExactBuffer<std::int16_t> codes((tokens - 1) * x_stride + cols);
      Floats scales(tokens), out(tokens * rows);
      fill(scales, random_);
      const bool extreme = i % 5 == 3;  // the integers at their bounds
      for (auto& q : codes) {
        q = static_cast<std::int16_t>(extreme ? 32767 : static_cast<int>(random_() % 65535) - 32767);
      }
      for (std::size_t r = 0; r < rows; ++r) {
        std::byte* row = weights.data() + r * stride;
        fill_row(dtype, row, cols, random_);
        if (!extreme) continue;
        // Codes of all zero bits are the most negative but for q8_0's; a q6_k block's scales become −128.
        const std::size_t bytes = info(dtype).block_bytes;
        for (std::size_t b = 0; b < cols / block; ++b) {
          std::byte* at = row + b * bytes;
          if (dtype == DType::Q6_K) {
            std::fill_n(at, 192, std::byte{0});
            std::fill_n(at + 192, 16, std::byte{0x80});
          } else {
            std::fill_n(at + 2, bytes - 2, dtype == DType::Q8_0 ? std::byte{0x80} : std::byte{0});
          }
        }
      }
      dense_kernel(kernels_, dtype)({.weights = weights.data(),
                                     .weight_stride = stride,
                                     .cols = cols,
                                     .tokens = tokens,
                                     .row_begin = row_begin,
                                     .row_end = rows,
                                     .out = out.data(),
                                     .out_stride = rows,
                                     .codes = codes.data(),
                                     .codes_stride = x_stride,
                                     .code_scales = scales.data()});
      for (std::size_t r = row_begin; r < rows; ++r) {
        for (std::size_t m = 0; m < tokens; ++m) {
          const float expected =
              reference::block_dot(dtype, weights.data() + r * stride, codes.data() + m * x_stride, cols) *
              scales[m];
          ASSERT_NO_FATAL_FAILURE(expect_same(&out[m * rows + r], &expected, 1, name(dtype)))
              << "row " << r << " token " << m << " of " << tokens << " cols " << cols;
        }
      }
    }
  }
}

TEST_P(DenseProducts, OfBlockTypesAreNearTheExactOnes) {
  constexpr std::size_t kCols = 2560;
  for (const DType dtype : kBlockTypes) {
    ExactBuffer<std::byte> row(*storage_bytes(dtype, 1, kCols));
    Floats x(kCols);
    ExactBuffer<std::int16_t> codes(kCols);
    std::vector<float> decoded(kCols);
    for (int i = 0; i < 20; ++i) {
      fill_row(dtype, row.data(), kCols, random_);
      fill(x, random_);
      const float scale = kernels_.quantize16(x.data(), kCols, codes.data());
      float found = 0;
      dense_kernel(kernels_, dtype)({.weights = row.data(),
                                     .cols = kCols,
                                     .tokens = 1,
                                     .row_end = 1,
                                     .out = &found,
                                     .codes = codes.data(),
                                     .code_scales = &scale});
      dequantize_row(dtype, row.data(), kCols, decoded.data());
      double exact = 0, squares = 0, magnitude = 0;
      for (std::size_t k = 0; k < kCols; ++k) {
        exact += static_cast<double>(decoded[k]) * static_cast<double>(x[k]);
        squares += static_cast<double>(decoded[k]) * static_cast<double>(decoded[k]);
        magnitude += std::abs(static_cast<double>(decoded[k]) * static_cast<double>(x[k]));
      }
      // The codes are off by scale / √12 each, independently: 6 standard deviations; and the rounding of
      // sums.
      const double tolerance =
          6 * static_cast<double>(scale) / std::sqrt(12.0) * std::sqrt(squares) + magnitude * 0x1p-20;
      EXPECT_NEAR(found, exact, tolerance) << name(dtype);
    }
  }
}

}  // namespace
}  // namespace sterna
