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
#include "support/float_operations.hpp"
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
float multiply_add_of(float a, float b, float c) {
  return multiply_add(splat(a), splat(b), splat(c))[0];
}
}  // namespace generic

namespace {

using testing::ExactBuffer;
using testing::expect_same;
using testing::fill;
using testing::Floats;
using testing::kInfinity;
using testing::kNaN;
using testing::Random;

double ulps(float found, double expected) {
  const auto nearest = static_cast<float>(expected);
  const double unit = static_cast<double>(std::nextafter(std::abs(nearest), kInfinity)) -
                      static_cast<double>(std::abs(nearest));
  return std::abs(static_cast<double>(found) - expected) / unit;
}

class FloatOperations : public testing::FloatOperations {};
INSTANTIATE_TEST_SUITE_P(Table, FloatOperations,
                         ::testing::ValuesIn(float_kernels().begin(), float_kernels().end()),
                         [](const auto& row) { return std::string(row.param.isa); });

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
    void (*run)(const GateArgs&);
    std::function<double(double)> activation;
  } kOperations[] = {
      {"silu", kernels_.silu_mul, [&](double g) { return g * sigmoid(g); }},
      {"relu2", kernels_.relu2_mul, [](double g) { return g > 0 ? g * g : 0; }},
      {"gelu", kernels_.gelu_mul,
       [](double g) { return 0.5 * g * (1 + std::tanh(std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g))); }},
  };
  const FloatKernels generic = select_float_kernels("generic");
  const decltype(generic.silu_mul) references[] = {generic.silu_mul, generic.relu2_mul, generic.gelu_mul};
  constexpr std::size_t kTokens = 3;
  for (std::size_t op = 0; op < 3; ++op) {
    for (const std::size_t n : {1, 3, 4, 7, 8, 9, 31, 64, 333}) {
      const std::size_t gate_stride = n + 2, up_stride = n + 1, out_stride = n + 3;
      Floats gate(kTokens * gate_stride), up(kTokens * up_stride), out(kTokens * out_stride);
      fill(gate, random_, 4.0f);
      fill(up, random_);
      std::ranges::fill(out, 7.0f);
      Floats expected(kTokens * out_stride);
      std::ranges::copy(out, expected.begin());
      const auto args = [&](float* to, std::size_t stride) {
        return GateArgs{gate.data(), gate_stride, up.data(), up_stride, kTokens, n, to, stride};
      };
      references[op](args(expected.data(), out_stride));
      kOperations[op].run(args(out.data(), out_stride));
      ASSERT_NO_FATAL_FAILURE(expect_same(out.data(), expected.data(), out.size(), kOperations[op].name));
      for (std::size_t t = 0; t < kTokens; ++t) {
        for (std::size_t i = 0; i < n; ++i) {
          const double factor = up[t * up_stride + i];
          const double exact = kOperations[op].activation(gate[t * gate_stride + i]) * factor;
          ASSERT_NEAR(out[t * out_stride + i], exact, 2e-6 * std::abs(exact) + 1e-7 * std::abs(factor))
              << kOperations[op].name;
        }
      }
      kOperations[op].run(args(gate.data(), gate_stride));
      for (std::size_t t = 0; t < kTokens; ++t) {
        ASSERT_NO_FATAL_FAILURE(
            expect_same(gate.data() + t * gate_stride, expected.data() + t * out_stride, n, "in place"));
      }
    }
  }
}

TEST_P(FloatOperations, ActivationsOfExtremes) {
  const float gates[] = {kInfinity, -1e30f, -100.0f, -88.0f, 88.0f, 1e30f, 0.0f, -0.0f, kNaN};
  constexpr std::size_t kN = std::size(gates);
  const std::vector<float> ones(kN, 1.0f);
  float out[kN];
  const GateArgs args{gates, kN, ones.data(), kN, 1, kN, out, kN};
  kernels_.silu_mul(args);
  EXPECT_EQ(out[0], kInfinity);
  EXPECT_EQ(out[1], 0.0f);
  EXPECT_LE(std::abs(out[2]), 1e-40f);
  EXPECT_EQ(out[5], 1e30f);
  EXPECT_TRUE(std::isnan(out[8]));
  kernels_.relu2_mul(args);
  EXPECT_EQ(out[1], 0.0f);
  EXPECT_EQ(out[5], kInfinity);
  EXPECT_TRUE(std::isnan(out[8]));
  kernels_.gelu_mul(args);
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

TEST(MultiplyAdd, RoundsOnce) {
  Random random(11);
  const auto check = [](float a, float b, float c) {
    const float found = generic::multiply_add_of(a, b, c), expected = std::fma(a, b, c);
    if (std::isnan(found) && std::isnan(expected)) return;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(found), std::bit_cast<std::uint32_t>(expected))
        << a << " · " << b << " + " << c;
  };
  const auto any = [&] { return std::bit_cast<float>(static_cast<std::uint32_t>(random())); };
  const auto near_one = [&] {  // often few bits, so that sums lie half-way between two floats
    const auto bits = static_cast<unsigned>(1 + random() % 23);
    const auto mantissa = static_cast<std::uint32_t>(random()) % (1u << bits) << (23 - bits);
    return std::bit_cast<float>(0x3f800000u | mantissa);
  };
  for (int i = 0; i < 2000000; ++i) {
    ASSERT_NO_FATAL_FAILURE(check(any(), any(), any()));
    const float a = near_one(), b = near_one();
    const float sign = random() % 2 ? 1.0f : -1.0f;
    const int exponent = static_cast<int>(random() % 80) - 40;
    ASSERT_NO_FATAL_FAILURE(check(a, b, sign * std::ldexp(near_one(), exponent)));
    ASSERT_NO_FATAL_FAILURE(check(a, b, -a * b));  // what is left is the product's own rounding
    const float small = std::ldexp(a, static_cast<int>(random() % 40) - 165);  // subnormal results
    ASSERT_NO_FATAL_FAILURE(check(small, b, sign * std::ldexp(b, -140)));
  }
  // The product is half a unit in the last place of c, less what a double does not hold beside c.
  for (int k = 12; k <= 23; ++k) {
    const float a = std::ldexp(1.0f + std::ldexp(1.0f, -k), -24), b = 1.0f - std::ldexp(1.0f, -k);
    for (int i = 0; i < 1000; ++i) {
      const float c = near_one();
      for (const float sign : {1.0f, -1.0f}) {
        ASSERT_NO_FATAL_FAILURE(check(sign * a, b, c));
        ASSERT_NO_FATAL_FAILURE(check(sign * a, b, -c));
      }
    }
  }
  for (const float a : {0.0f, -0.0f, 1.0f, 3e38f, kInfinity, -kInfinity, kNaN, 1e-45f}) {
    for (const float b : {0.0f, -1.0f, 3e38f, kInfinity, kNaN, 1e-45f}) {
      for (const float c : {0.0f, -0.0f, 1.0f, -3e38f, kInfinity, -kInfinity, kNaN, -1e-45f}) {
        ASSERT_NO_FATAL_FAILURE(check(a, b, c));
      }
    }
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
    kernels_.add({a.data(), n, b.data(), n, 1, n});
    ASSERT_NO_FATAL_FAILURE(expect_same(a.data(), expected.data(), n, "add"));
    for (std::size_t i = 0; i < n / 2; ++i) {
      expected[i] = a[i] * cosines[i] - a[i + n / 2] * sines[i];
      expected[i + n / 2] = a[i + n / 2] * cosines[i] + a[i] * sines[i];
    }
    kernels_.rope(a.data(), cosines.data(), sines.data(), n);
    ASSERT_NO_FATAL_FAILURE(expect_same(a.data(), expected.data(), n, "rope"));
  }
}

TEST_P(FloatOperations, AddOfSeveralTokens) {
  constexpr std::size_t kTokens = 3;
  for (const std::size_t n : {1, 16, 45}) {
    for (const std::size_t x_stride : {std::size_t{0}, n + 1}) {
      const std::size_t acc_stride = n + 2;
      Floats acc(kTokens * acc_stride), x(kTokens * (n + 1)), expected(kTokens * acc_stride);
      fill(acc, random_);
      fill(x, random_);
      std::ranges::copy(acc, expected.begin());
      for (std::size_t t = 0; t < kTokens; ++t) {
        for (std::size_t i = 0; i < n; ++i) expected[t * acc_stride + i] += x[t * x_stride + i];
      }
      kernels_.add({acc.data(), acc_stride, x.data(), x_stride, kTokens, n});
      ASSERT_NO_FATAL_FAILURE(expect_same(acc.data(), expected.data(), acc.size(), "add"));
    }
  }
}

TEST_P(FloatOperations, ScaleRows) {
  constexpr std::size_t kTokens = 3;
  for (std::size_t n = 1; n < 100; n += 1 + n / 20) {
    const std::size_t in_stride = n + 1, out_stride = n + 2;
    ExactBuffer<std::int32_t> in(kTokens * in_stride);
    Floats scales(n), bias(n), out(kTokens * out_stride), expected(kTokens * out_stride);
    for (auto& v : in) v = static_cast<std::int32_t>(random_());
    fill(scales, random_);
    fill(bias, random_);
    std::ranges::fill(out, 7.0f);
    std::ranges::fill(expected, 7.0f);
    const float activation_scales[kTokens] = {41.7f, 3e-4f, 1.27e7f};
    const float weight_scale = 0.0123f;
    for (const bool scaled : {false, true}) {
      for (const bool biased : {false, true}) {
        for (std::size_t t = 0; t < kTokens; ++t) {
          for (std::size_t i = 0; i < n; ++i) {
            float& v = expected[t * out_stride + i];
            v = static_cast<float>(in[t * in_stride + i]) / activation_scales[t] *
                (scaled ? weight_scale * scales[i] : weight_scale);
            if (biased) v += bias[i];
          }
        }
        kernels_.scale_rows({in.data(), in_stride, activation_scales, weight_scale,
                             scaled ? scales.data() : nullptr, biased ? bias.data() : nullptr, kTokens, n,
                             out.data(), out_stride});
        ASSERT_NO_FATAL_FAILURE(expect_same(out.data(), expected.data(), out.size(), "scale_rows"));
      }
    }
  }
}

// Where a division is put together from multiplications, it must still round as one.
TEST_P(FloatOperations, ScaleRowsDividesExactly) {
  constexpr std::size_t kN = 4096;
  ExactBuffer<std::int32_t> in(kN);
  Floats out(kN), expected(kN);
  std::vector<float> divisors = {127.0f / 1e-5f, 127.0f / 3.4e38f, 0.0f,  -41.7f, kInfinity,
                                 kNaN,           1e-38f,           1e-45f};
  for (int exponent = -62; exponent <= 62; ++exponent) {
    for (const float mantissa :
         {1.0f, 0x1.000002p0f, 0x1.555554p0f, 0x1.555556p0f, 0x1.fffffcp0f, 0x1.fffffep0f}) {
      divisors.push_back(std::ldexp(mantissa, exponent));
    }
    divisors.push_back(std::ldexp(1.0f + static_cast<float>(random_() % 0x800000) * 0x1p-23f, exponent));
  }
  for (const float divisor : divisors) {
    for (std::size_t i = 0; i < kN; ++i) {
      in[i] = static_cast<std::int32_t>(random_()) >> (random_() % 32);
      expected[i] = static_cast<float>(in[i]) / divisor * 1.0f;
    }
    kernels_.scale_rows({in.data(), kN, &divisor, 1.0f, nullptr, nullptr, 1, kN, out.data(), kN});
    for (std::size_t i = 0; i < kN; ++i) {
      if (std::isnan(expected[i])) {
        ASSERT_TRUE(std::isnan(out[i])) << in[i] << " / " << divisor;
      } else {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(out[i]), std::bit_cast<std::uint32_t>(expected[i]))
            << in[i] << " / " << divisor;
      }
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
