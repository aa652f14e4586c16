#include "quantize/activations.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/kernel_table.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

std::vector<float> activations(std::size_t n, unsigned seed) {
  std::minstd_rand random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& v : x) v = random() % 50 == 0 ? 20 * normal(random) : normal(random);
  return x;
}

TEST(Activations, TokensAreWhatEveryKernelOfTheEngineGives) {
  for (const std::uint64_t channels : {1, 17, 256, 300}) {
    const std::uint64_t tokens = 5;
    std::vector<float> x = activations(tokens * channels, static_cast<unsigned>(channels));
    std::fill_n(x.begin(), channels, 0.0f);  // the first token is nothing at all
    const QuantizedActivations found = quantize_activations(x, tokens, channels);
    for (const FloatKernels& row : float_kernels()) {
      if (!supported(row.required)) continue;
      const FloatKernels kernels = select_float_kernels(row.isa);
      std::vector<std::int8_t> codes(channels);
      for (std::uint64_t t = 0; t < tokens; ++t) {
        const auto [scale, sum] = kernels.quantize(x.data() + t * channels, channels, channels, codes.data());
        EXPECT_EQ(found.scales[t], scale) << row.isa;
        EXPECT_TRUE(std::equal(codes.begin(), codes.end(),
                               found.codes.begin() + static_cast<std::ptrdiff_t>(t * channels)));
      }
    }
    // One token is a tensor, and its own calibration.
    const std::span<const float> last = std::span(x).last(channels);
    float most = 0;
    for (const float v : last) most = std::max(most, std::abs(v));
    for (const ActivationOptions& options : {ActivationOptions{8, ActivationScaling::Tensor, 0},
                                             ActivationOptions{8, ActivationScaling::Static, most}}) {
      const QuantizedActivations one = quantize_activations(last, 1, channels, options);
      EXPECT_EQ(one.scales, std::vector<float>{found.scales[tokens - 1]});
      EXPECT_TRUE(std::equal(one.codes.begin(), one.codes.end(),
                             found.codes.end() - static_cast<std::ptrdiff_t>(channels)));
    }
  }
}

TEST(Activations, EveryWayIsWithinItsBound) {
  const std::uint64_t tokens = 7;
  const std::uint64_t channels = 96;
  const std::vector<float> x = activations(tokens * channels, 3);
  for (const int bits : {8, 4}) {
    for (const ActivationScaling scaling :
         {ActivationScaling::Token, ActivationScaling::Tensor, ActivationScaling::Static}) {
      const float range = 2.5f;  // clips the outliers
      const QuantizedActivations found = quantize_activations(x, tokens, channels, {bits, scaling, range});
      ASSERT_EQ(found.scales.size(), scaling == ActivationScaling::Token ? tokens : 1);
      std::vector<float> back(x.size());
      dequantize(found, back);
      std::size_t clipped = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double scale = found.scales[found.scales.size() == 1 ? 0 : i / channels];
        const double largest = (bits == 8 ? 127 : 7) / scale;
        const double beyond = std::max(0.0, std::abs(double{x[i]}) - largest);
        clipped += beyond > 1e-3;
        ASSERT_LE(std::abs(double{x[i]} - back[i]), 0.5 / scale + largest * 0x1p-22 + beyond);
        ASSERT_TRUE(found.codes[i] >= (bits == 8 ? -128 : -8) && found.codes[i] <= (bits == 8 ? 127 : 7));
      }
      EXPECT_EQ(clipped > 0, scaling == ActivationScaling::Static);
    }
  }
}

TEST(Activations, Refuses) {
  std::vector<float> x(32, 1.0f);
  EXPECT_THROW(quantize_activations(x, 2, 15), Error);
  EXPECT_THROW(quantize_activations(x, 2, 16, {5, ActivationScaling::Token, 0}), Error);
  for (const float range : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    EXPECT_THROW(quantize_activations(x, 2, 16, {8, ActivationScaling::Static, range}), Error);
  }
  std::vector<float> back(31);
  EXPECT_THROW(dequantize(quantize_activations(x, 2, 16), back), Error);
  x[20] = std::nanf("");
  try {
    quantize_activations(x, 2, 16);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.value("token"), "1");
    EXPECT_EQ(error.value("channel"), "4");
  }
  EXPECT_TRUE(quantize_activations({}, 0, 16).scales.empty());
}

}  // namespace
}  // namespace sterna
