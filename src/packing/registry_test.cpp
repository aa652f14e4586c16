#include "packing/registry.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "base/half.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

using Buffer = std::vector<std::byte>;

std::vector<std::int8_t> random_trits(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::int8_t> trits(n);
  for (auto& trit : trits) trit = static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1);
  return trits;
}

TernaryMatrix matrix_of(std::uint64_t rows, std::uint64_t cols, std::vector<std::int8_t> trits,
                        TernaryScales scales) {
  return {rows, cols, std::move(trits), std::move(scales)};
}

TernaryMatrix random_matrix(std::uint64_t rows, std::uint64_t cols, float scale = 0.5f) {
  return matrix_of(rows, cols, random_trits(rows * cols, static_cast<unsigned>(rows * 1000 + cols)),
                   {ScaleGrain::Tensor, {scale}, 0});
}

Buffer pack(DType dtype, const TernaryMatrix& matrix, std::uint32_t group = 128) {
  Buffer out(storage_bytes(dtype, matrix.rows, matrix.cols).value_or(0), std::byte{0xa5});
  find_packing(dtype)->pack(matrix, {.i2s_group = group}, out);
  return out;
}

TernaryMatrix unpack(DType dtype, const Buffer& bytes, std::uint64_t rows, std::uint64_t cols,
                     std::uint32_t group = 128) {
  return find_packing(dtype)->unpack(bytes, rows, cols, {.i2s_group = group});
}

ErrorCategory category_of(const auto& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.category();
  }
  ADD_FAILURE() << "nothing thrown";
  return ErrorCategory::Internal;
}

float f16_at(const Buffer& bytes, std::size_t at) {
  return f16_to_f32(load_unaligned<std::uint16_t>(bytes.data() + at));
}

unsigned u8(std::byte byte) {
  return static_cast<unsigned>(byte);
}

TEST(Packing, TableHasEveryTernaryTypeOnce) {
  for (const DTypeInfo& row : dtype_table()) {
    const Packing* packing = find_packing(row.dtype);
    EXPECT_EQ(packing != nullptr, row.kind == DTypeKind::Ternary) << row.name;
    if (!packing) continue;
    EXPECT_EQ(packing->dtype, row.dtype);
    EXPECT_DOUBLE_EQ(packing->bits_per_weight, 8.0 * row.block_bytes / row.block_elements);
    EXPECT_EQ(packing->dequantize_row == nullptr, row.dtype == DType::I2_S);
  }
}

// Bytes worked out by hand from the diagrams. In each, all trits are 0 but a few.

TEST(Packing, I2SKnownBytes) {
  std::vector<std::int8_t> trits(256, 0);
  trits[0] = 1;     // byte 0, bits 7-6 = 2
  trits[32] = -1;   // byte 0, bits 5-4 = 0
  trits[127] = 1;   // byte 31, bits 1-0 = 2
  trits[128] = -1;  // the second group: byte 32, bits 7-6 = 0
  const auto matrix = matrix_of(2, 128, trits, {ScaleGrain::Tensor, {1.0f}, 0});
  const Buffer bytes = pack(DType::I2_S, matrix);
  ASSERT_EQ(bytes.size(), 64u + 32u);
  EXPECT_EQ(u8(bytes[0]), 0b10'00'01'01u);
  EXPECT_EQ(u8(bytes[1]), 0b01'01'01'01u);
  EXPECT_EQ(u8(bytes[31]), 0b01'01'01'10u);
  EXPECT_EQ(u8(bytes[32]), 0b00'01'01'01u);
  EXPECT_EQ(load_unaligned<std::uint32_t>(bytes.data() + 64), 0x3f800000u);
  EXPECT_TRUE(std::all_of(bytes.begin() + 68, bytes.end(), [](std::byte b) { return b == std::byte{0}; }));

  const Buffer arm = pack(DType::I2_S, matrix, 64);
  EXPECT_EQ(u8(arm[0]), 0b10'01'00'01u);   // weights 0, 16, 32, 48
  EXPECT_EQ(u8(arm[31]), 0b01'01'01'10u);  // weights 79, 95, 111, 127
  EXPECT_EQ(u8(arm[32]), 0b00'01'01'01u);
}

TEST(Packing, TQ2KnownBytes) {
  std::vector<std::int8_t> trits(256, 0);
  trits[0] = 1;
  trits[96] = -1;   // byte 0, bits 7-6
  trits[128] = -1;  // byte 32, bits 1-0
  trits[255] = 1;   // byte 63, bits 7-6
  const Buffer bytes = pack(DType::TQ2_0, matrix_of(1, 256, trits, {ScaleGrain::Tensor, {2.0f}, 0}));
  ASSERT_EQ(bytes.size(), 66u);
  EXPECT_EQ(u8(bytes[0]), 0b00'01'01'10u);
  EXPECT_EQ(u8(bytes[32]), 0b01'01'01'00u);
  EXPECT_EQ(u8(bytes[63]), 0b10'01'01'01u);
  EXPECT_EQ(f16_at(bytes, 64), 2.0f);
}

TEST(Packing, TQ1KnownBytes) {
  std::vector<std::int8_t> trits(256, 0);
  trits[0] = 1;     // byte 0: digits 2 1 1 1 1 = 202; ⌈202 · 256 / 243⌉ = 213
  trits[128] = -1;  // byte 0 again, last digit: 201 → ⌈211.75…⌉ = 212
  trits[160] = -1;  // byte 32: 0 1 1 1 1 = 40 → ⌈42.1…⌉ = 43
  trits[255] = 1;   // byte 51: 1 1 1 2 (0) = 41 · 3 = 123 → ⌈129.5…⌉ = 130
  const Buffer bytes = pack(DType::TQ1_0, matrix_of(1, 256, trits, {ScaleGrain::Tensor, {-0.25f}, 0}));
  ASSERT_EQ(bytes.size(), 54u);
  EXPECT_EQ(u8(bytes[0]), 212u);
  EXPECT_EQ(u8(bytes[1]), 128u);  // 1 1 1 1 1 = 121 → ⌈127.4…⌉
  EXPECT_EQ(u8(bytes[32]), 43u);
  EXPECT_EQ(u8(bytes[48]), 127u);  // 1 1 1 1 (0) = 120 → ⌈126.4…⌉
  EXPECT_EQ(u8(bytes[51]), 130u);
  EXPECT_EQ(f16_at(bytes, 52), -0.25f);
}

TEST(Packing, IQ1KnownBytes) {
  std::vector<std::int8_t> trits(64, 0);
  trits[0] = 1;    // byte 0: 2 + 3 + 9 + 27 + 81 = 122 → ⌈128.5…⌉ = 129
  trits[20] = -1;  // group 1, digit 4: byte 3: 1 + 3 + 9 + 27 = 40 → 43
  trits[63] = 1;   // byte 12: 1 + 3 + 9 + 2 · 27 = 67 → ⌈70.5…⌉ = 71
  const Buffer bytes = pack(DType::IQ1_BN, matrix_of(1, 64, trits, {ScaleGrain::Tensor, {0.5f}, 0}));
  ASSERT_EQ(bytes.size(), 15u);
  EXPECT_EQ(f16_at(bytes, 0), 0.5f);
  EXPECT_EQ(u8(bytes[2 + 0]), 129u);
  EXPECT_EQ(u8(bytes[2 + 1]), 128u);
  EXPECT_EQ(u8(bytes[2 + 3]), 43u);
  EXPECT_EQ(u8(bytes[2 + 12]), 71u);
}

TEST(Packing, IQ2KnownBytes) {
  std::vector<std::int8_t> trits(64, 0);
  trits[0] = 1;
  trits[31] = -1;  // byte 15, bits 3-2
  trits[48] = -1;  // byte 0, bits 7-6
  const Buffer bytes = pack(DType::IQ2_BN, matrix_of(1, 64, trits, {ScaleGrain::Tensor, {0.1f}, 0}));
  ASSERT_EQ(bytes.size(), 20u);
  EXPECT_EQ(load_unaligned<float>(bytes.data()), 0.1f);
  EXPECT_EQ(u8(bytes[4]), 0b00'01'01'10u);
  EXPECT_EQ(u8(bytes[4 + 15]), 0b01'01'00'01u);
}

struct Shape {
  std::uint64_t rows;
  std::uint64_t cols;
};

TEST(Packing, EveryTypeSurvivesTheRoundTrip) {
  for (const Packing& packing : packing_table()) {
    const std::uint64_t block = packing.dtype == DType::I2_S ? 128 : info(packing.dtype).block_elements;
    for (const Shape shape : {Shape{1, block}, Shape{3, 5 * block}, Shape{7, block}, Shape{64, 3 * block}}) {
      const TernaryMatrix in = random_matrix(shape.rows, shape.cols);
      const TernaryMatrix out = unpack(packing.dtype, pack(packing.dtype, in), shape.rows, shape.cols);
      EXPECT_EQ(out.trits, in.trits) << name(packing.dtype);
      EXPECT_EQ(out.scales.grain, ScaleGrain::Tensor);
      EXPECT_EQ(out.scales.values, in.scales.values);
    }
  }
}

TEST(Packing, I2SRowsMayEndInsideAGroup) {
  for (const Shape shape : {Shape{2, 64}, Shape{4, 32}, Shape{128, 3}, Shape{32, 100}}) {
    for (const std::uint32_t group : {64u, 128u}) {
      const TernaryMatrix in = random_matrix(shape.rows, shape.cols);
      const TernaryMatrix out =
          unpack(DType::I2_S, pack(DType::I2_S, in, group), shape.rows, shape.cols, group);
      EXPECT_EQ(out.trits, in.trits);
    }
  }
}

TEST(Packing, I2SRefusesAPartOfAGroup) {
  const TernaryMatrix matrix = random_matrix(3, 64);  // 192 weights
  EXPECT_EQ(unpack(DType::I2_S, pack(DType::I2_S, matrix, 64), 3, 64, 64).trits, matrix.trits);
  EXPECT_EQ(category_of([&] { pack(DType::I2_S, matrix, 128); }), ErrorCategory::Mismatch);
  EXPECT_EQ(category_of([&] { unpack(DType::I2_S, Buffer(192 / 4 + 32), 3, 64, 128); }),
            ErrorCategory::Unsupported);
  EXPECT_EQ(category_of([&] { unpack(DType::I2_S, Buffer(192 / 4 + 32), 3, 64, 32); }),
            ErrorCategory::InvalidArgument);
}

TEST(Packing, ReducesScalesToTheCoarsestGrain) {
  // 3 rows of 2 blocks; the zero blocks carry a scale that would not fit.
  auto trits = random_trits(3 * 512, 7);
  std::fill_n(trits.begin() + 512, 256, std::int8_t{0});
  const auto with = [&](std::vector<float> values) {
    const auto matrix = matrix_of(3, 512, trits, {ScaleGrain::Block, std::move(values), 256});
    return unpack(DType::TQ2_0, pack(DType::TQ2_0, matrix), 3, 512);
  };
  const TernaryMatrix tensor = with({0.5f, 0.5f, 8.0f, 0.5f, 0.5f, 0.5f});
  EXPECT_EQ(tensor.scales.grain, ScaleGrain::Tensor);
  EXPECT_EQ(tensor.scales.values, (std::vector<float>{0.5f}));
  const TernaryMatrix row = with({0.5f, 0.5f, 8.0f, 1.0f, 0.25f, 0.25f});
  EXPECT_EQ(row.scales.grain, ScaleGrain::Row);
  EXPECT_EQ(row.scales.values, (std::vector<float>{0.5f, 1.0f, 0.25f}));
  const TernaryMatrix block = with({0.5f, 0.75f, 8.0f, 1.0f, 0.25f, 0.25f});
  EXPECT_EQ(block.scales.grain, ScaleGrain::Block);
  EXPECT_EQ(block.scales.block, 256u);
  EXPECT_EQ(block.scales.values, (std::vector<float>{0.5f, 0.75f, 0.0f, 1.0f, 0.25f, 0.25f}));
  EXPECT_EQ(block.trits, trits);
}

TEST(Packing, RowScalesSurviveWhereTheLayoutHoldsThem) {
  for (const DType dtype : {DType::TQ1_0, DType::TQ2_0, DType::IQ1_BN, DType::IQ2_BN}) {
    const auto in = matrix_of(3, 256, random_trits(768, 3), {ScaleGrain::Row, {0.5f, -2.0f, 0.125f}, 0});
    const TernaryMatrix out = unpack(dtype, pack(dtype, in), 3, 256);
    EXPECT_EQ(out.scales.grain, ScaleGrain::Row);
    EXPECT_EQ(out.scales.values, in.scales.values);
    EXPECT_EQ(out.trits, in.trits);
  }
}

TEST(Packing, ARowOfScaleZeroIsAllZeros) {
  const auto in = matrix_of(2, 64, random_trits(128, 5), {ScaleGrain::Row, {0.0f, 0.5f}, 0});
  const TernaryMatrix out = unpack(DType::IQ2_BN, pack(DType::IQ2_BN, in), 2, 64);
  EXPECT_EQ(out.scales.grain, ScaleGrain::Tensor);
  EXPECT_EQ(out.scales.values, (std::vector<float>{0.5f}));
  EXPECT_TRUE(std::all_of(out.trits.begin(), out.trits.begin() + 64, [](int t) { return t == 0; }));
}

TEST(Packing, RoundsScalesToF16AndRefusesThoseOutsideIt) {
  const auto scale_after = [](DType dtype, float scale) {
    return unpack(dtype, pack(dtype, random_matrix(2, 256, scale)), 2, 256).scales.values.at(0);
  };
  for (const Packing& packing : packing_table()) {
    const bool f16 = packing.scale == DType::F16;
    EXPECT_EQ(scale_after(packing.dtype, 0.1f), f16 ? f16_to_f32(f32_to_f16(0.1f)) : 0.1f);
    for (const float outside : {1e6f, 1e-9f}) {
      if (f16) {
        EXPECT_EQ(category_of([&] { scale_after(packing.dtype, outside); }), ErrorCategory::Mismatch);
      } else {
        EXPECT_EQ(scale_after(packing.dtype, outside), outside);
      }
    }
  }
}

TEST(Packing, PackRefusesWhatTheLayoutCannotHold) {
  const auto rows = matrix_of(2, 256, random_trits(512, 1), {ScaleGrain::Row, {1.0f, 2.0f}, 0});
  EXPECT_EQ(category_of([&] { pack(DType::I2_S, rows); }), ErrorCategory::Mismatch);
  const auto blocks = matrix_of(1, 256, random_trits(256, 1), {ScaleGrain::Block, {1, 2, 3, 4}, 64});
  for (const Packing& packing : packing_table()) {
    EXPECT_EQ(category_of([&] { pack(packing.dtype, blocks); }), ErrorCategory::Mismatch);
  }
  for (const DType dtype : {DType::TQ1_0, DType::TQ2_0, DType::IQ1_BN, DType::IQ2_BN}) {
    EXPECT_EQ(category_of([&] { pack(dtype, random_matrix(2, 65)); }), ErrorCategory::Mismatch);
  }
}

TEST(Packing, PackRefusesAMatrixThatContradictsItself) {
  const TernaryMatrix good = random_matrix(2, 256);
  std::vector<TernaryMatrix> bad(7, good);
  bad[0].trits.pop_back();
  bad[1].trits[300] = 2;
  bad[2].trits[5] = -128;
  bad[3].scales.values.clear();
  bad[4].scales.values[0] = std::numeric_limits<float>::quiet_NaN();
  bad[5].scales = {ScaleGrain::Row, {1.0f}, 0};
  bad[6].scales = {ScaleGrain::Block, {1.0f, 1.0f}, 0};
  for (const Packing& packing : packing_table()) {
    for (const TernaryMatrix& matrix : bad) {
      EXPECT_EQ(category_of([&] { pack(packing.dtype, matrix); }), ErrorCategory::InvalidArgument);
    }
    Buffer small(storage_bytes(packing.dtype, 2, 256).value() - 1);
    EXPECT_EQ(category_of([&] { packing.pack(good, {}, small); }), ErrorCategory::InvalidArgument);
  }
}

TEST(Packing, NamesTheWeightWhoseCodeIsNoTrit) {
  for (const DType dtype : {DType::I2_S, DType::TQ2_0, DType::IQ2_BN}) {
    const TernaryMatrix matrix = random_matrix(3, 256);
    Buffer bytes = pack(dtype, matrix);
    // Weight (1, 2): the byte that holds it in each layout, and where in it.
    std::size_t at = 64 + 2;
    unsigned shift = 6;
    if (dtype == DType::TQ2_0) at = 66 + 2, shift = 0;
    if (dtype == DType::IQ2_BN) at = 68 + 4 + 2, shift = 0;
    bytes[at] |= std::byte{3} << shift;
    try {
      unpack(dtype, bytes, 3, 256);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::Format);
      EXPECT_EQ(error.value("row"), "1");
      EXPECT_EQ(error.value("column"), "2");
    }
  }
}

TEST(Packing, RefusesBytesThatDoNotFitTheShape) {
  for (const Packing& packing : packing_table()) {
    const Buffer bytes = pack(packing.dtype, random_matrix(2, 256));
    for (const Shape shape : {Shape{2, 512}, Shape{1, 256}, Shape{2, 255}, Shape{0, 256},
                              Shape{std::uint64_t{1} << 62, 256}, Shape{256, ~std::uint64_t{0}}}) {
      EXPECT_EQ(category_of([&] { unpack(packing.dtype, bytes, shape.rows, shape.cols); }),
                ErrorCategory::Format)
          << name(packing.dtype);
    }
  }
}

TEST(Packing, AnEmptyMatrixIsEmpty) {
  for (const Packing& packing : packing_table()) {
    for (const Shape shape : {Shape{0, 256}, Shape{3, 0}}) {
      const Buffer bytes(storage_bytes(packing.dtype, shape.rows, shape.cols).value());
      const TernaryMatrix matrix = unpack(packing.dtype, bytes, shape.rows, shape.cols);
      EXPECT_TRUE(matrix.trits.empty());
      EXPECT_EQ(pack(packing.dtype, matrix).size(), bytes.size());
    }
  }
}

TEST(Packing, AnyBytesGiveAnErrorOrAValidMatrix) {
  std::mt19937 random(11);
  for (const Packing& packing : packing_table()) {
    int valid = 0;
    for (int round = 0; round < 2000; ++round) {
      Buffer bytes(storage_bytes(packing.dtype, 2, 256).value());
      // Mostly legal codes, so that some rounds get through.
      for (auto& byte : bytes) {
        const auto value = static_cast<unsigned>(random());
        byte = std::byte(round % 2 ? value & 0x55 : value & 0xff);
      }
      try {
        const TernaryMatrix matrix = unpack(packing.dtype, bytes, 2, 256);
        ++valid;
        ASSERT_EQ(matrix.trits.size(), 512u);
        ASSERT_TRUE(std::all_of(matrix.trits.begin(), matrix.trits.end(),
                                [](int trit) { return trit >= -1 && trit <= 1; }));
        ASSERT_TRUE(std::all_of(matrix.scales.values.begin(), matrix.scales.values.end(),
                                [](float scale) { return std::isfinite(scale); }));
        // The same matrix again from its own bytes, whatever the first bytes looked like.
        const TernaryMatrix again = unpack(packing.dtype, pack(packing.dtype, matrix), 2, 256);
        ASSERT_EQ(again.trits, matrix.trits);
        ASSERT_EQ(again.scales.values, matrix.scales.values);
      } catch (const Error& error) {
        ASSERT_EQ(error.category(), ErrorCategory::Format);
      }
    }
    EXPECT_GT(valid, 100) << name(packing.dtype);
  }
}

TEST(Packing, DequantizedRowsAreTritTimesScale) {
  for (const DType dtype : {DType::TQ1_0, DType::TQ2_0, DType::IQ1_BN, DType::IQ2_BN}) {
    const auto matrix = matrix_of(2, 512, random_trits(1024, 9), {ScaleGrain::Row, {0.5f, 3.0f}, 0});
    const Buffer bytes = pack(dtype, matrix);
    std::vector<float> row(512);
    find_packing(dtype)->dequantize_row(bytes.data() + bytes.size() / 2, 512, row.data());
    for (std::size_t c = 0; c < 512; ++c) EXPECT_EQ(row[c], 3.0f * matrix.trits[512 + c]);
  }
}

}  // namespace
}  // namespace sterna
