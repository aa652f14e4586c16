#include "quantize/absmean.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/half.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

Bytes bytes_of(const std::vector<float>& values) {
  return std::as_bytes(std::span(values));
}

TernaryMatrix quantize(const std::vector<float>& values, std::uint64_t rows, std::uint64_t cols,
                       DType round_scale_to = DType::F32) {
  return quantize_absmean(DType::F32, bytes_of(values), rows, cols, round_scale_to);
}

TEST(Absmean, ByHand) {
  // mean|W| = (1 + 2 + 3 + 2) / 4 = 2; half of it is exactly 1, which rounds to even: 0.
  const TernaryMatrix matrix = quantize({1.0f, -2.0f, 3.0f, -2.0f}, 2, 2);
  EXPECT_EQ(matrix.scales.grain, ScaleGrain::Tensor);
  EXPECT_EQ(matrix.scales.values, (std::vector<float>{2.0f}));
  EXPECT_EQ(matrix.trits, (std::vector<std::int8_t>{0, -1, 1, -1}));
}

TEST(Absmean, FollowsTheFormulaAtOddShapes) {
  std::mt19937 random(1);
  for (const std::uint64_t cols : {1, 7, 8, 9, 33, 250}) {
    const std::uint64_t rows = 5;
    std::vector<float> values(rows * cols);
    for (float& v : values) v = static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 4096.0f;
    long double sum = 0;
    for (const float v : values) sum += std::abs(v);
    const auto scale = static_cast<float>(sum / static_cast<long double>(values.size()));
    const TernaryMatrix matrix = quantize(values, rows, cols);
    EXPECT_EQ(matrix.scales.values.at(0), scale);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double wanted = std::clamp(std::nearbyint(double{values[i]} / double{scale}), -1.0, 1.0);
      ASSERT_EQ(matrix.trits[i], wanted) << values[i] << " / " << scale;
    }
  }
}

TEST(Absmean, TheScaleHasAFloor) {
  const TernaryMatrix zeros = quantize(std::vector<float>(64, 0.0f), 8, 8);
  EXPECT_EQ(zeros.scales.values.at(0), 1e-5f);
  EXPECT_EQ(zeros.trits, std::vector<std::int8_t>(64, 0));
  const TernaryMatrix tiny = quantize(std::vector<float>(64, -8e-6f), 8, 8);
  EXPECT_EQ(tiny.scales.values.at(0), 1e-5f);
  EXPECT_EQ(tiny.trits, std::vector<std::int8_t>(64, -1));
  EXPECT_EQ(quantize({}, 0, 8).scales.values.at(0), 1e-5f);
}

TEST(Absmean, RoundsTheScaleButNotTheThreshold) {
  // mean = 1.00375, which bf16 rounds to 1. 0.501 lies below half of the one and above half of the other.
  const std::vector<float> values{0.501f, 1.509f, 1.0f, 1.005f};
  const TernaryMatrix exact = quantize(values, 2, 2);
  const TernaryMatrix rounded = quantize(values, 2, 2, DType::BF16);
  EXPECT_NEAR(exact.scales.values.at(0), 1.00375f, 1e-6f);
  EXPECT_EQ(rounded.scales.values.at(0), 1.0f);
  EXPECT_EQ(exact.trits, (std::vector<std::int8_t>{0, 1, 1, 1}));
  EXPECT_EQ(rounded.trits, exact.trits);
  EXPECT_EQ(quantize(values, 2, 2, DType::F16).scales.values.at(0),
            f16_to_f32(f32_to_f16(exact.scales.values.at(0))));
}

TEST(Absmean, ReadsEveryMasterType) {
  const std::vector<float> values{0.5f, -1.0f, 0.25f, 0.0f, 2.0f, -0.125f};
  const TernaryMatrix expected = quantize(values, 2, 3);
  for (const DType dtype : {DType::F16, DType::BF16}) {
    std::vector<std::uint16_t> halves;
    for (const float v : values) halves.push_back(dtype == DType::F16 ? f32_to_f16(v) : f32_to_bf16(v));
    const TernaryMatrix matrix = quantize_absmean(dtype, std::as_bytes(std::span(halves)), 2, 3, DType::F32);
    EXPECT_EQ(matrix.trits, expected.trits);
    EXPECT_EQ(matrix.scales.values, expected.scales.values);
  }
}

TEST(Absmean, RowsAndBlocksAreMatricesOfTheirOwn) {
  constexpr std::uint64_t kRows = 3, kCols = 12;
  std::vector<float> values(kRows * kCols);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i * i));
  for (const Grain grain : {Grain{ScaleGrain::Row, 0}, Grain{ScaleGrain::Block, 4}}) {
    const std::uint64_t size = grain.kind == ScaleGrain::Row ? kCols : grain.block;
    const TernaryMatrix found =
        quantize_absmean(DType::F32, bytes_of(values), kRows, kCols, DType::BF16, grain);
    EXPECT_EQ(found.scales.grain, grain.kind);
    EXPECT_EQ(found.scales.block, grain.block);
    ASSERT_EQ(found.scales.values.size(), values.size() / size);
    for (std::uint64_t g = 0; g < found.scales.values.size(); ++g) {
      const auto part = std::span<const float>(values).subspan(g * size, size);
      const TernaryMatrix one = quantize_absmean(DType::F32, std::as_bytes(part), 1, size, DType::BF16);
      EXPECT_EQ(found.scales.values[g], one.scales.values[0]);
      for (std::uint64_t i = 0; i < size; ++i) EXPECT_EQ(found.trits[g * size + i], one.trits[i]);
    }
  }
  for (const std::uint32_t block : {0u, 5u, 24u}) {
    EXPECT_THROW(
        quantize_absmean(DType::F32, bytes_of(values), kRows, kCols, DType::F32, {ScaleGrain::Block, block}),
        Error);
  }
}

TEST(Absmean, RefusesWhatIsNotWeights) {
  std::vector<float> values(6, 1.0f);
  const auto category = [&](DType dtype, std::uint64_t rows, std::uint64_t cols, DType round) {
    try {
      quantize_absmean(dtype, bytes_of(values), rows, cols, round);
    } catch (const Error& error) {
      return error.category();
    }
    return ErrorCategory::Internal;
  };
  EXPECT_EQ(category(DType::Q8_0, 2, 3, DType::F32), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category(DType::F32, 2, 3, DType::I8), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category(DType::F32, 2, 4, DType::F32), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category(DType::F32, ~std::uint64_t{0}, 4, DType::F32), ErrorCategory::InvalidArgument);
  values[4] = std::numeric_limits<float>::infinity();
  try {
    quantize(values, 2, 3);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Format);
    EXPECT_EQ(error.value("row"), "1");
    EXPECT_EQ(error.value("column"), "1");
  }
}

}  // namespace
}  // namespace sterna
