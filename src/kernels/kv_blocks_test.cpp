// The blocks of the KV cache: what every instruction set stores.
#include "support/kv_blocks.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>

namespace sterna {
namespace {

using namespace testing;

class KvBlocks : public ::testing::TestWithParam<FloatKernels> {
 protected:
  void SetUp() override {
    if (!supported(GetParam().required)) GTEST_SKIP() << "not on this processor";
  }

  const FloatKernels kernels_ =
      supported(GetParam().required) ? select_float_kernels(GetParam().isa) : FloatKernels{};
  Random random_{7};
};
INSTANTIATE_TEST_SUITE_P(Table, KvBlocks, ::testing::ValuesIn(float_kernels().begin(), float_kernels().end()),
                         [](const auto& row) { return std::string(row.param.isa); });

TEST_P(KvBlocks, OfInt8KeepCodesAndAScaleOfEachRow) {
  for (const std::size_t head_dim : {1, 7, 16, 100, 128}) {
    Cache cache(kernels_, kI8, head_dim, 70);
    fill(cache.keys, random_, 5.0f);
    fill(cache.values, random_, 0.01f);
    std::fill_n(cache.keys.begin(), head_dim, 0.0f);
    std::fill_n(cache.values.begin(), head_dim, 1e-38f);
    cache.append_all();
    for (std::size_t p = 0; p < 70; ++p) {
      const auto check = [&](const float* x, float scale, auto code) {
        float max = 0;
        for (std::size_t i = 0; i < head_dim; ++i) max = std::max(max, std::abs(x[i]));
        ASSERT_EQ(scale, max / 127.0f);
        for (std::size_t i = 0; i < head_dim; ++i) {
          ASSERT_EQ(code(i), p == 0 ? 0.0f : std::nearbyint(x[i] * (127.0f / max))) << p << ", " << i;
        }
      };
      ASSERT_NO_FATAL_FAILURE(check(&cache.keys[p * head_dim], cache.key_scale(p),
                                    [&](std::size_t i) { return cache.key(p, i); }));
      ASSERT_NO_FATAL_FAILURE(check(&cache.values[p * head_dim], cache.value_scale(p),
                                    [&](std::size_t i) { return cache.value(p, i); }));
    }
  }
}

TEST_P(KvBlocks, HalvesRoundAsTheStandardSays) {
  Floats values = {0.0f,          -0.0f,         65504.0f,
                   65519.996f,    65520.0f,      kInfinity,
                   -kInfinity,    6e-8f,         2.98023223876953125e-8f,
                   2.9802326e-8f, 6.1035156e-5f, 6.1005e-5f};
  for (int i = 0; i < 5000; ++i) {
    float v = std::bit_cast<float>(static_cast<std::uint32_t>(random_()));
    if (std::isnan(v)) v = 1.0f;
    values.push_back(v);
    const auto mantissa = static_cast<std::uint32_t>(random_() & 0x807fffffu);
    values.push_back(
        std::ldexp(std::bit_cast<float>(mantissa | 0x3f800000u), static_cast<int>(random_() % 48) - 30));
  }
  for (const std::size_t n : {values.size(), std::size_t{1}, std::size_t{3}, std::size_t{13}}) {
    Cache cache(kernels_, kF16, n, 1);
    cache.keys.assign(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(n));
    cache.values = cache.keys;
    cache.append_all();
    for (std::size_t i = 0; i < n; ++i) {
      const float expected = f16_to_f32(f32_to_f16(values[i]));
      ASSERT_NO_FATAL_FAILURE(expect_same(&expected, std::array{cache.key(0, i)}.data(), 1, "key"));
      ASSERT_NO_FATAL_FAILURE(expect_same(&expected, std::array{cache.value(0, i)}.data(), 1, "value"));
    }
  }
}

}  // namespace
}  // namespace sterna
