#include "tensor/dequantize.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/half.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

using Buffer = std::vector<std::byte>;

void put_f16(Buffer& bytes, std::size_t at, float value) {
  const std::uint16_t half = f32_to_f16(value);
  std::memcpy(bytes.data() + at, &half, sizeof half);
}

std::vector<float> read(DType dtype, const Buffer& bytes, std::size_t cols) {
  std::vector<float> out(cols);
  dequantize_row(dtype, bytes.data(), cols, out.data());
  return out;
}

Buffer write(DType dtype, const std::vector<float>& row) {
  Buffer out(storage_bytes(dtype, 1, row.size()).value(), std::byte{0x5a});
  quantize_row(dtype, row.data(), row.size(), out.data());
  return out;
}

/// Roughly normal: the sum of four uniform numbers, the same on every machine.
std::vector<float> bell(std::size_t n, float deviation, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values(n);
  for (float& v : values) {
    double sum = -2;
    for (int i = 0; i < 4; ++i) sum += static_cast<double>(random()) * 0x1p-32;
    v = static_cast<float>(sum * deviation * std::sqrt(3.0));
  }
  return values;
}

float largest(const float* x, std::size_t n) {
  float amax = 0;
  for (std::size_t i = 0; i < n; ++i) amax = std::max(amax, std::abs(x[i]));
  return amax;
}

double relative_rms(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0;
  double square = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    square += double{a[i]} * a[i];
  }
  return std::sqrt(error / square);
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

// Bytes and values worked out by hand from the layouts.

TEST(Dequantize, PlainTypes) {
  Buffer bytes(8);
  const double f64 = 0.1;
  std::memcpy(bytes.data(), &f64, 8);
  EXPECT_EQ(read(DType::F64, bytes, 1)[0], 0.1f);
  const std::uint32_t f32 = 0xc0490fdbu;
  std::memcpy(bytes.data() + 1, &f32, 4);  // any alignment
  float pi;
  dequantize_row(DType::F32, bytes.data() + 1, 1, &pi);
  EXPECT_EQ(pi, -3.14159274f);
  bytes[0] = std::byte{0x00}, bytes[1] = std::byte{0x3e};
  EXPECT_EQ(read(DType::F16, bytes, 1)[0], 1.5f);
  EXPECT_EQ(read(DType::BF16, bytes, 1)[0], 0.125f);
}

TEST(Dequantize, Q8KnownBytes) {
  Buffer bytes(34);
  put_f16(bytes, 0, 0.5f);
  bytes[2] = std::byte{0x81};   // -127
  bytes[33] = std::byte{0x7f};  // 127
  const auto row = read(DType::Q8_0, bytes, 32);
  EXPECT_EQ(row[0], -63.5f);
  EXPECT_EQ(row[1], 0.0f);
  EXPECT_EQ(row[31], 63.5f);
}

TEST(Dequantize, Q4KnownBytes) {
  Buffer bytes(18);
  put_f16(bytes, 0, 2.0f);
  bytes[2] = std::byte{0xf0};   // element 0: 0 - 8, element 16: 15 - 8
  bytes[17] = std::byte{0x79};  // element 15: 9 - 8, element 31: 7 - 8
  const auto row = read(DType::Q4_0, bytes, 32);
  EXPECT_EQ(row[0], -16.0f);
  EXPECT_EQ(row[16], 14.0f);
  EXPECT_EQ(row[15], 2.0f);
  EXPECT_EQ(row[31], -2.0f);
}

TEST(Dequantize, Q1AndQ2KnownBytes) {
  Buffer q1(18);
  put_f16(q1, 0, 0.25f);
  q1[2] = std::byte{0b00000010};
  q1[17] = std::byte{0b10000000};
  const auto signs = read(DType::Q1_0, q1, 128);
  EXPECT_EQ(signs[0], -0.25f);
  EXPECT_EQ(signs[1], 0.25f);
  EXPECT_EQ(signs[126], -0.25f);
  EXPECT_EQ(signs[127], 0.25f);

  Buffer q2(18);
  put_f16(q2, 0, 0.25f);
  q2[2] = std::byte{0b11'10'01'00};
  q2[17] = std::byte{0b10'00'00'00};
  const auto row = read(DType::Q2_0, q2, 64);
  EXPECT_EQ(row[0], -0.25f);
  EXPECT_EQ(row[1], 0.0f);
  EXPECT_EQ(row[2], 0.25f);
  EXPECT_EQ(row[3], 0.5f);
  EXPECT_EQ(row[63], 0.25f);
}

TEST(Dequantize, Q6KKnownBytes) {
  Buffer bytes(210);
  put_f16(bytes, 208, 0.5f);
  for (std::size_t b = 0; b < 16; ++b) bytes[192 + b] = static_cast<std::byte>(b + 1);
  bytes[192 + 15] = std::byte{0xff};  // -1
  // Element 0: ql[0] low nibble 5, qh[0] bits 0-1 = 2: code 37 → 5. Element 64: the high nibble 9, bits 4-5
  // = 3.
  bytes[0] = std::byte{0x95};
  bytes[128] = std::byte{0b00'11'00'10};
  // Element 255: half 1, quarter 3, l = 31: ql[127] high nibble, qh[63] bits 6-7.
  bytes[127] = std::byte{0xf0};
  bytes[191] = std::byte{0b11'00'00'00};
  const auto row = read(DType::Q6_K, bytes, 256);
  EXPECT_EQ(row[0], 0.5f * 1 * 5);
  EXPECT_EQ(row[64], 0.5f * 5 * (9 + 48 - 32));
  EXPECT_EQ(row[255], 0.5f * -1 * (15 + 48 - 32));
  EXPECT_EQ(row[32], 0.5f * 3 * -32);
}

TEST(Dequantize, Q6KPlacesEveryElement) {
  // One element at a time through the quantiser: it comes back, and nothing else moves.
  for (std::size_t i = 0; i < 256; ++i) {
    std::vector<float> row(256, 0.0f);
    row[i] = 4.0f;
    const auto back = read(DType::Q6_K, write(DType::Q6_K, row), 256);
    for (std::size_t j = 0; j < 256; ++j) {
      if (i == j) {
        EXPECT_NEAR(back[j], 4.0f, 4e-3f);
      } else {
        EXPECT_EQ(back[j], 0.0f);
      }
    }
  }
}

TEST(Dequantize, OnlyFloatsAndBlocks) {
  for (const DTypeInfo& row : dtype_table()) {
    const bool dense = row.kind == DTypeKind::Float || row.kind == DTypeKind::Block;
    EXPECT_EQ(can_dequantize(row.dtype), dense) << row.name;
    if (!dense) {
      EXPECT_EQ(category_of([&] { read(row.dtype, Buffer(1024), 256); }), ErrorCategory::Unsupported);
    } else if (row.block_elements > 1) {
      EXPECT_EQ(category_of([&] { read(row.dtype, Buffer(1024), row.block_elements + 1u); }),
                ErrorCategory::InvalidArgument);
    }
  }
}

TEST(Quantize, Q8KnownBytes) {
  std::vector<float> row(32, 0.0f);
  row[0] = -127.0f;
  row[1] = 2.5f;  // half away from zero
  row[2] = -2.5f;
  row[3] = 2.4f;
  const Buffer bytes = write(DType::Q8_0, row);
  EXPECT_EQ(load_unaligned<std::uint16_t>(bytes.data()), 0x3c00);
  EXPECT_EQ(static_cast<std::int8_t>(bytes[2]), -127);
  EXPECT_EQ(static_cast<std::int8_t>(bytes[3]), 3);
  EXPECT_EQ(static_cast<std::int8_t>(bytes[4]), -3);
  EXPECT_EQ(static_cast<std::int8_t>(bytes[5]), 2);
}

TEST(Quantize, Q4KnownBytes) {
  std::vector<float> row(32, 0.0f);
  row[0] = 8.0f;    // the extreme: d = -1, code 0
  row[16] = -8.0f;  // would be 16: clamped to 15
  row[1] = 2.0f;    // -2 + 8
  const Buffer bytes = write(DType::Q4_0, row);
  EXPECT_EQ(load_unaligned<std::uint16_t>(bytes.data()), 0xbc00);
  EXPECT_EQ(static_cast<unsigned>(bytes[2]), 0xf0u);
  EXPECT_EQ(static_cast<unsigned>(bytes[3]), 0x86u);
}

TEST(Quantize, ErrorsStayWithinTheStatedBounds) {
  std::vector<float> row = bell(256 * 64, 0.05f, 1);
  row[1000] = 1.5f;  // an outlier among small values
  for (std::size_t i = 512; i < 768; ++i) row[i] = 0.0f;
  struct Case {
    DType dtype;
    std::size_t block;
    double rms;  // of these values
    float (*bound)(const float* all, const float* block);
  };
  const Case cases[] = {
      {DType::F32, 1, 0, [](const float*, const float*) { return 0.0f; }},
      {DType::F16, 1, 3e-4, [](const float*, const float* x) { return std::abs(*x) * 0x1p-11f; }},
      {DType::BF16, 1, 2.5e-3, [](const float*, const float* x) { return std::abs(*x) * 0x1p-8f; }},
      {DType::Q8_0, 32, 6e-3,
       [](const float*, const float* x) { return largest(x, 32) * (0.5f / 127 + 1e-3f); }},
      {DType::Q4_0, 32, 0.1, [](const float*, const float* x) { return largest(x, 32) / 8 * 1.001f; }},
      {DType::Q6_K, 16, 0.02,
       [](const float* all, const float* x) { return largest(x, 16) / 8 + largest(all, 256) / 16; }},
  };
  for (const Case& c : cases) {
    const auto back = read(c.dtype, write(c.dtype, row), row.size());
    EXPECT_LE(relative_rms(row, back), c.rms) << name(c.dtype);
    for (std::size_t i = 0; i < row.size(); ++i) {
      const float bound = c.bound(&row[i / 256 * 256], &row[i / c.block * c.block]);
      ASSERT_LE(std::abs(row[i] - back[i]), bound + 1e-7f) << name(c.dtype) << " at " << i;
    }
  }
}

TEST(Quantize, WhatIsStoredExactlyComesBackUnchanged) {
  for (const DType dtype : {DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0}) {
    const auto once = read(dtype, write(dtype, bell(256 * 8, 1.0f, 3)), 256 * 8);
    EXPECT_EQ(read(dtype, write(dtype, once), once.size()), once) << name(dtype);
  }
}

TEST(Quantize, TheBytesAreFixed) {
  // A change of these numbers is a change of every file that `convert` writes.
  const auto row = bell(256 * 16, 0.05f, 42);
  const auto hash = [&](DType dtype) {
    std::uint64_t h = 0xcbf29ce484222325u;  // FNV-1a
    for (const std::byte b : write(dtype, row)) h = (h ^ static_cast<std::uint64_t>(b)) * 0x100000001b3u;
    return h;
  };
  EXPECT_EQ(hash(DType::Q8_0), 11810710882055117756u);
  EXPECT_EQ(hash(DType::Q4_0), 17583567058712447724u);
  EXPECT_EQ(hash(DType::Q6_K), 7379006234379163489u);
}

TEST(Quantize, TinyValuesBecomeZeroOrStayClose) {
  for (const DType dtype : {DType::Q8_0, DType::Q4_0, DType::Q6_K}) {
    for (const float scale : {1e-4f, 1e-6f, 1e-9f, 1e-20f, 1e-38f, 1e-44f}) {
      const auto row = bell(256, scale, 9);
      const auto back = read(dtype, write(dtype, row), row.size());
      for (std::size_t i = 0; i < row.size(); ++i) {
        // f16 resolves scales to 2^-25; codes reach 128.
        EXPECT_LE(std::abs(row[i] - back[i]), largest(row.data(), 256) / 7 + 128 * 0x1p-25f);
        EXPECT_LE(std::abs(back[i]), 2 * largest(row.data(), 256) + 128 * 0x1p-25f);
      }
    }
  }
}

TEST(Quantize, RefusesWhatCannotBeStored) {
  std::vector<float> row(256, 1.0f);
  row[200] = std::numeric_limits<float>::quiet_NaN();
  for (const DTypeInfo& type : dtype_table()) {
    if (!can_quantize(type.dtype)) {
      EXPECT_EQ(category_of([&] { write(type.dtype, row); }), ErrorCategory::Unsupported) << type.name;
      continue;
    }
    try {
      write(type.dtype, row);
      ADD_FAILURE() << type.name;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::InvalidArgument);
      EXPECT_EQ(error.value("column"), "200");
    }
  }
  row[200] = std::numeric_limits<float>::max();
  for (const DType dtype : {DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0, DType::Q6_K}) {
    EXPECT_EQ(category_of([&] { write(dtype, row); }), ErrorCategory::Mismatch) << name(dtype);
  }
}

}  // namespace
}  // namespace sterna
