// The float operations: every instruction set against a naive one in the canonical order by equality of bits,
// and that against double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "base/checked.hpp"
#include "base/half.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/reference.hpp"
#include "support/exact_buffer.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {

namespace generic {
// The exponential function itself, for what no operation shows of it.
// clang-format off
#include "kernels/cpu/generic/simd.hpp"
#include "kernels/cpu/math-inl.hpp"
// clang-format on

float exponential_of(float x) {
  return exponential(splat(x))[0];
}
}  // namespace generic

namespace {

using testing::ExactBuffer;
using Random = std::mt19937;
using Floats = ExactBuffer<float>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

void fill(Floats& values, Random& random, float deviation = 1.0f) {
  std::normal_distribution<float> normal(0.0f, deviation);
  for (float& v : values) v = normal(random);
}

/// Equal bits; any NaN equals any other.
void expect_same(const float* found, const float* expected, std::size_t n, std::string_view what) {
  for (std::size_t i = 0; i < n; ++i) {
    if (std::isnan(found[i]) && std::isnan(expected[i])) continue;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(found[i]), std::bit_cast<std::uint32_t>(expected[i]))
        << what << ": element " << i << " of " << n << ": " << found[i] << " for " << expected[i];
  }
}

double ulps(float found, double expected) {
  const auto nearest = static_cast<float>(expected);
  const double unit = static_cast<double>(std::nextafter(std::abs(nearest), kInfinity)) -
                      static_cast<double>(std::abs(nearest));
  return std::abs(static_cast<double>(found) - expected) / unit;
}

class FloatOperations : public ::testing::TestWithParam<FloatKernels> {
 protected:
  void SetUp() override {
    if (!supported(GetParam().required)) GTEST_SKIP() << "not on this processor";
  }
  const FloatKernels kernels_ =
      supported(GetParam().required) ? select_float_kernels(GetParam().isa) : FloatKernels{};
  Random random_{7};
};
INSTANTIATE_TEST_SUITE_P(Table, FloatOperations,
                         ::testing::ValuesIn(float_kernels().begin(), float_kernels().end()),
                         [](const auto& row) { return std::string(row.param.isa); });

// ---- element-wise operations ------------------------------------------------------------------------------

TEST_P(FloatOperations, RmsNorm) {
  for (std::size_t n = 1; n < 300; n += 1 + n / 40) {
    Floats x(n), weight(n), out(n), expected(n);
    fill(x, random_, 3.0f);
    fill(weight, random_);
    const float mean = reference::dot(x.data(), x.data(), n) / static_cast<float>(n);
    const float factor = 1.0f / std::sqrt(mean + 1e-5f);
    for (std::size_t i = 0; i < n; ++i) expected[i] = x[i] * factor * weight[i];
    kernels_.rms_norm(x.data(), weight.data(), 1e-5f, n, out.data());
    ASSERT_NO_FATAL_FAILURE(expect_same(out.data(), expected.data(), n, "weighted"));

    for (std::size_t i = 0; i < n; ++i) expected[i] = x[i] * factor;
    kernels_.rms_norm(x.data(), nullptr, 1e-5f, n, x.data());
    ASSERT_NO_FATAL_FAILURE(expect_same(x.data(), expected.data(), n, "in place, without weight"));
  }
}

TEST_P(FloatOperations, ProductsWithActivations) {
  const auto sigmoid = [](double v) { return 1.0 / (1.0 + std::exp(-v)); };
  const struct {
    const char* name;
    void (*run)(const float*, const float*, std::size_t, float*);
    std::function<double(double)> activation;
  } kOperations[] = {
      {"silu", kernels_.silu_mul, [&](double g) { return g * sigmoid(g); }},
      {"relu2", kernels_.relu2_mul, [](double g) { return g > 0 ? g * g : 0; }},
      {"gelu", kernels_.gelu_mul,
       [](double g) { return 0.5 * g * (1 + std::tanh(std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g))); }},
  };
  const FloatKernels generic = select_float_kernels("generic");
  const decltype(generic.silu_mul) references[] = {generic.silu_mul, generic.relu2_mul, generic.gelu_mul};
  for (std::size_t op = 0; op < 3; ++op) {
    for (const std::size_t n : {1, 3, 4, 7, 8, 9, 31, 64, 333}) {
      Floats gate(n), up(n), out(n), expected(n);
      fill(gate, random_, 4.0f);
      fill(up, random_);
      references[op](gate.data(), up.data(), n, expected.data());
      kOperations[op].run(gate.data(), up.data(), n, out.data());
      ASSERT_NO_FATAL_FAILURE(expect_same(out.data(), expected.data(), n, kOperations[op].name));
      for (std::size_t i = 0; i < n; ++i) {
        const double exact = kOperations[op].activation(gate[i]) * up[i];
        ASSERT_NEAR(out[i], exact, 2e-6 * std::abs(exact) + 1e-7 * std::abs(up[i])) << kOperations[op].name;
      }
      kOperations[op].run(gate.data(), up.data(), n, gate.data());
      ASSERT_NO_FATAL_FAILURE(expect_same(gate.data(), expected.data(), n, "in place"));
    }
  }
}

TEST_P(FloatOperations, ActivationsOfExtremes) {
  const float gates[] = {kInfinity, -1e30f, -100.0f, -88.0f, 88.0f, 1e30f, 0.0f, -0.0f, kNaN};
  constexpr std::size_t kN = std::size(gates);
  const std::vector<float> ones(kN, 1.0f);
  float out[kN];
  kernels_.silu_mul(gates, ones.data(), kN, out);
  EXPECT_EQ(out[0], kInfinity);
  EXPECT_EQ(out[1], 0.0f);
  EXPECT_LE(std::abs(out[2]), 1e-40f);
  EXPECT_EQ(out[5], 1e30f);
  EXPECT_TRUE(std::isnan(out[8]));
  kernels_.relu2_mul(gates, ones.data(), kN, out);
  EXPECT_EQ(out[1], 0.0f);
  EXPECT_EQ(out[5], kInfinity);
  EXPECT_TRUE(std::isnan(out[8]));
  kernels_.gelu_mul(gates, ones.data(), kN, out);
  EXPECT_EQ(out[0], kInfinity);
  EXPECT_EQ(out[1], 0.0f);
  EXPECT_EQ(out[5], 1e30f);
  EXPECT_TRUE(std::isnan(out[8]));
}

TEST(Exponential, IsWithinTwoUlpOverItsRange) {
  double worst = 0;
  for (std::int64_t i = 0; i <= 2000000; ++i) {
    const auto x = static_cast<float>(-87.0 + 175.0 * static_cast<double>(i) / 2000000);
    worst = std::max(worst, ulps(generic::exponential_of(x), std::exp(static_cast<double>(x))));
  }
  for (float x = 1.0f; x > 1e-30f; x *= 0.37f) {
    worst = std::max(worst, ulps(generic::exponential_of(x), std::exp(static_cast<double>(x))));
    worst = std::max(worst, ulps(generic::exponential_of(-x), std::exp(static_cast<double>(-x))));
  }
  EXPECT_LE(worst, 1.5) << "the bound stated is 2";
}

TEST(Exponential, IsRightAtTheEnds) {
  EXPECT_EQ(generic::exponential_of(0.0f), 1.0f);
  EXPECT_EQ(generic::exponential_of(-0.0f), 1.0f);
  EXPECT_EQ(generic::exponential_of(-kInfinity), 0.0f);
  EXPECT_EQ(generic::exponential_of(-1e30f), 0.0f);
  EXPECT_EQ(generic::exponential_of(-104.5f), 0.0f);
  EXPECT_EQ(generic::exponential_of(kInfinity), kInfinity);
  EXPECT_EQ(generic::exponential_of(1e30f), kInfinity);
  EXPECT_EQ(generic::exponential_of(88.8f), kInfinity);
  EXPECT_LT(generic::exponential_of(88.7f), kInfinity);
  EXPECT_TRUE(std::isnan(generic::exponential_of(kNaN)));
  for (float x = -87.0f; x > -103.9f; x -= 0.01f) {  // subnormal results, to a unit of the smallest
    ASSERT_NEAR(generic::exponential_of(x), std::exp(static_cast<double>(x)), 1.5 * 0x1p-149) << x;
  }
}

TEST_P(FloatOperations, Quantize) {
  for (std::size_t n = 1; n < 700; n += 1 + n / 20) {
    Floats x(n);
    fill(x, random_, 2.0f);
    const std::size_t padded = n + random_() % 70;
    ExactBuffer<std::int8_t> out(padded);
    std::fill(out.begin(), out.end(), std::int8_t{99});
    const QuantizeResult result = kernels_.quantize(x.data(), n, padded, out.data());
    float max = 1e-5f;
    for (const float v : x) max = std::max(max, std::abs(v));
    const float scale = 127.0f / max;
    ASSERT_EQ(result.scale, scale);
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      ASSERT_EQ(out[i], std::clamp(std::nearbyint(x[i] * scale), -128.0f, 127.0f)) << i;
      sum += out[i];
    }
    ASSERT_EQ(result.sum, sum);
    for (std::size_t i = n; i < padded; ++i) ASSERT_EQ(out[i], 0);
  }
}

TEST_P(FloatOperations, QuantizeRoundsHalvesToEven) {
  const float x[] = {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, 125.5f, -126.5f};
  const std::int8_t expected[] = {127, 0, 2, 2, 0, -2, -2, 126, 126, -126};
  std::int8_t out[10];
  EXPECT_EQ(kernels_.quantize(x, 10, 10, out).scale, 1.0f);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(out[i], expected[i]) << x[i];
}

TEST_P(FloatOperations, QuantizeOfZerosAndOfWhatIsNotFinite) {
  const FloatKernels generic = select_float_kernels("generic");
  const std::vector<float> rows[] = {std::vector<float>(20, 0.0f),
                                     {1e-9f, -1e-9f, 0.0f},
                                     {1.0f, kNaN, -2.0f, 3.0f, kNaN, 0.5f, 1.0f, 2.0f, kNaN, 3.0f},
                                     {1.0f, kInfinity, -kInfinity, 0.0f, 1.0f, -1.0f, 2.0f, 3.0f, 4.0f},
                                     {3e38f, -3e38f}};
  for (const auto& row : rows) {
    std::vector<std::int8_t> out(row.size()), expected(row.size());
    const auto result = kernels_.quantize(row.data(), row.size(), row.size(), out.data());
    const auto wanted = generic.quantize(row.data(), row.size(), row.size(), expected.data());
    EXPECT_EQ(result.scale, wanted.scale);
    EXPECT_EQ(result.sum, wanted.sum);
    EXPECT_EQ(out, expected);
  }
  std::int8_t out[3];
  EXPECT_EQ(kernels_.quantize(rows[1].data(), 3, 3, out).scale, 127.0f / 1e-5f);
}

TEST_P(FloatOperations, AddAndRope) {
  for (std::size_t n = 2; n < 300; n += 2 + n / 20 * 2) {
    Floats a(n), b(n), cosines(n / 2), sines(n / 2), expected(n);
    fill(a, random_);
    fill(b, random_);
    fill(cosines, random_);
    fill(sines, random_);
    for (std::size_t i = 0; i < n; ++i) expected[i] = a[i] + b[i];
    kernels_.add(a.data(), b.data(), n);
    ASSERT_NO_FATAL_FAILURE(expect_same(a.data(), expected.data(), n, "add"));
    for (std::size_t i = 0; i < n / 2; ++i) {
      expected[i] = a[i] * cosines[i] - a[i + n / 2] * sines[i];
      expected[i + n / 2] = a[i + n / 2] * cosines[i] + a[i] * sines[i];
    }
    kernels_.rope(a.data(), cosines.data(), sines.data(), n);
    ASSERT_NO_FATAL_FAILURE(expect_same(a.data(), expected.data(), n, "rope"));
  }
}

TEST_P(FloatOperations, ScaleRows) {
  for (std::size_t n = 1; n < 100; n += 1 + n / 20) {
    ExactBuffer<std::int32_t> in(n);
    Floats scales(n), bias(n), out(n), expected(n);
    for (auto& v : in) v = static_cast<std::int32_t>(random_());
    fill(scales, random_);
    fill(bias, random_);
    const float activation_scale = 41.7f;
    const float weight_scale = 0.0123f;
    for (const bool scaled : {false, true}) {
      for (const bool biased : {false, true}) {
        for (std::size_t i = 0; i < n; ++i) {
          expected[i] = static_cast<float>(in[i]) / activation_scale *
                        (scaled ? weight_scale * scales[i] : weight_scale);
          if (biased) expected[i] += bias[i];
        }
        kernels_.scale_rows(in.data(), activation_scale, weight_scale, scaled ? scales.data() : nullptr,
                            biased ? bias.data() : nullptr, n, out.data());
        ASSERT_NO_FATAL_FAILURE(expect_same(out.data(), expected.data(), n, "scale_rows"));
      }
    }
  }
}

// ---- dense products ---------------------------------------------------------------------------------------

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

class DenseProducts : public FloatOperations {};
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
    for (int i = 0; i < 80; ++i) {
      const std::size_t cols = block * (1 + random_() % (block == 32 ? 20 : 4));
      const std::size_t rows = 1 + random_() % 9;
      const std::size_t tokens = 1 + (i % 2) * (random_() % 40);
      const std::size_t row_begin = random_() % rows;
      const std::size_t x_stride = cols + random_() % 5;
      const std::size_t stride = *storage_bytes(dtype, 1, cols);
      ExactBuffer<std::byte> weights(rows * stride);
      ExactBuffer<std::int16_t> codes((tokens - 1) * x_stride + cols);
      Floats scales(tokens), out(tokens * rows);
      fill(scales, random_);
      const bool extreme = i % 4 == 3;  // the integers at their bounds
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

TEST_P(FloatOperations, Quantize16) {
  for (const std::size_t n : {1, 2, 7, 8, 31, 32, 33, 100, 2560}) {
    Floats x(n);
    ExactBuffer<std::int16_t> codes(n);
    fill(x, random_, 3.0f);
    const float scale = kernels_.quantize16(x.data(), n, codes.data());
    float max = 1e-30f;
    for (const float v : x) max = std::max(max, std::abs(v));
    EXPECT_EQ(scale, max / 32767.0f);
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_EQ(codes[i], static_cast<int>(std::nearbyint(x[i] * (32767.0f / max)))) << x[i];
    }
    for (const float bad : {kNaN, kInfinity, -kInfinity}) {
      x[random_() % n] = bad;
      EXPECT_TRUE(std::isnan(kernels_.quantize16(x.data(), n, codes.data())));
      for (const std::int16_t q : codes) EXPECT_GE(q, -32767);
    }
    std::fill(x.begin(), x.end(), 0.0f);
    EXPECT_GT(kernels_.quantize16(x.data(), n, codes.data()), 0.0f);
    for (const std::int16_t q : codes) EXPECT_EQ(q, 0);
  }
}

}  // namespace
}  // namespace sterna
