#include "sterna/bitlinear.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <thread>

#include "packing/codec_stream.hpp"
#include "quantize/bitlinear_cache.hpp"
#include "sterna/error.hpp"
#include "support/allocations.hpp"

namespace sterna {
namespace {

Tensor random_tensor(const Shape& shape, DType dtype, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
  for (float& value : values) value = normal(random);
  return Tensor::from(std::span<const float>(values), shape).to(dtype);
}

/// The docstring's equations, one operation at a time.
std::vector<float> reference(const TernaryMatrix& w, const std::vector<float>& bias, const Tensor& x) {
  const std::vector<float> in = x.to(DType::F32).to_vector<float>();
  const std::size_t tokens = in.size() / w.cols;
  std::vector<float> out;
  for (std::size_t t = 0; t < tokens; ++t) {
    float largest = 1e-5f;
    for (std::size_t k = 0; k < w.cols; ++k) largest = std::max(largest, std::abs(in[t * w.cols + k]));
    const float s = 127.0f / largest;
    std::vector<int> q;
    for (std::size_t k = 0; k < w.cols; ++k) {
      q.push_back(static_cast<int>(std::nearbyint(in[t * w.cols + k] * s)));
      q.back() = std::clamp(q.back(), -128, 127);
    }
    const std::size_t group = w.scales.grain == ScaleGrain::Block ? w.scales.block : w.cols;
    for (std::size_t r = 0; r < w.rows; ++r) {
      float grouped = 0, y = 0;
      for (std::size_t g = 0; g < w.cols / group; ++g) {
        int sum = 0;
        for (std::size_t k = g * group; k < (g + 1) * group; ++k) sum += w.trits[r * w.cols + k] * q[k];
        if (w.scales.grain == ScaleGrain::Block) {
          grouped += static_cast<float>(sum) * w.scales.values[r * (w.cols / group) + g];
          y = grouped / s;
        } else {
          y = static_cast<float>(sum) / s * w.scales.values[w.scales.grain == ScaleGrain::Row ? r : 0];
        }
      }
      out.push_back(bias.empty() ? y : y + bias[r]);
    }
  }
  return out;
}

constexpr WeightGrain kGrains[] = {WeightGrain::Tensor, WeightGrain::Row, WeightGrain::Group};

TEST(BitLinear, IsItsEquationsBitForBit) {
  unsigned seed = 0;
  for (const WeightGrain grain : kGrains) {
    for (const DType dtype : {DType::F32, DType::F16, DType::BF16}) {
      for (const auto& [out, in, group] : {std::tuple{1, 32, 32}, {37, 192, 64}, {80, 640, 128}}) {
        for (const std::int64_t tokens : {1, 3, 20, 300}) {
          if (tokens == 300 && dtype != DType::F32) continue;  // more than go through together
          const Tensor w = random_tensor({out, in}, dtype, ++seed);
          const Tensor b = random_tensor({out}, DType::F32, ++seed);
          const Tensor x = random_tensor({tokens, in}, DType::F32, ++seed);
          const auto options = BitLinearOptions{
              .grain = grain, .group = static_cast<std::uint32_t>(group), .threads = 1 + seed % 3};
          const TernaryMatrix trits = quantize_weights(w, grain, options.group);
          const Tensor y = BitLinear(w, b, options).forward(x);
          ASSERT_EQ(y.shape(), (Shape{tokens, out}));
          EXPECT_EQ(y.to_vector<float>(), reference(trits, b.to_vector<float>(), x));
          const Tensor without = BitLinear(w, {}, options).forward(x);
          EXPECT_EQ(without.to_vector<float>(), reference(trits, {}, x));
        }
      }
    }
  }
}

TEST(BitLinear, IsTheSameOnEveryBackendAndForAnyThreads) {
  const Tensor x = random_tensor({12, 512}, DType::F32, 1);
  const Tensor w = random_tensor({200, 512}, DType::BF16, 2);
  for (const WeightGrain grain : kGrains) {
    const auto expected = BitLinear(w, {}, {.grain = grain, .threads = 1}).forward(x).to_vector<float>();
    for (const char* backend : {"simd", "scalar"}) {
      for (const unsigned threads : {2u, 5u}) {
        const BitLinear layer(w, {}, {.grain = grain, .backend = backend, .threads = threads});
        EXPECT_EQ(layer.forward(x).to_vector<float>(), expected) << backend;
      }
    }
  }
}

TEST(BitLinear, TakesInputsOfAnyShapeAndFloatType) {
  const Tensor w = random_tensor({8, 64}, DType::F32, 3);
  const BitLinear layer(w);
  EXPECT_EQ(layer.in_features(), 64);
  EXPECT_EQ(layer.out_features(), 8);
  const Tensor x = random_tensor({2, 3, 64}, DType::F16, 4);
  const Tensor y = layer.forward(x);
  EXPECT_EQ(y.shape(), (Shape{2, 3, 8}));
  EXPECT_EQ(layer.forward(x.to(DType::F32)).to_vector<float>(), y.to_vector<float>());
  EXPECT_EQ(layer.forward(x.select(0, 1).select(0, 2)).to_vector<float>(),
            y.select(0, 1).select(0, 2).to_vector<float>());
  // Not contiguous: every other token.
  EXPECT_EQ(layer.forward(x.slice(1, {0, 3, 2})).to_vector<float>(),
            y.slice(1, {0, 3, 2}).to_vector<float>());
  EXPECT_EQ(layer.forward(Tensor::empty({0, 64}, DType::F32)).shape(), (Shape{0, 8}));
}

TEST(BitLinear, PackedAndEncodedWeightsAreTheSameLayer) {
  const Tensor w = random_tensor({64, 512}, DType::F32, 5);
  const Tensor x = random_tensor({5, 512}, DType::F32, 6);
  for (const WeightGrain grain : kGrains) {
    TernaryMatrix trits = quantize_weights(w, grain, 256);
    for (float& scale : trits.scales.values) scale = f16_to_f32(f32_to_f16(scale));
    const auto expected = reference(trits, {}, x);
    for (const Codec& codec : codec_table()) {
      const auto stream = encode_stream(trits, codec);
      EXPECT_EQ(BitLinear::encoded(stream).forward(x).to_vector<float>(), expected) << codec.name;
    }
    for (const Packing& packing : packing_table()) {
      if (packing.grain < trits.scales.grain) continue;
      std::vector<std::byte> bytes(*storage_bytes(packing.dtype, 64, 512));
      packing.pack(trits, {}, bytes);
      const BitLinear layer = BitLinear::packed(packing.dtype, bytes, 64, 512);
      std::ranges::fill(bytes, std::byte{0});  // not needed any more
      EXPECT_TRUE(layer.ready());
      EXPECT_EQ(layer.forward(x).to_vector<float>(), expected) << name(packing.dtype);
    }
  }
}

TEST(BitLinear, QuantisesAtTheFirstForwardAndLayersOfEqualWeightsShare) {
  const Tensor w = random_tensor({16, 128}, DType::F32, 7);
  const Tensor x = random_tensor({2, 128}, DType::F32, 8);
  BitLinear layer(w);
  EXPECT_FALSE(layer.ready());
  const auto first = layer.forward(x).to_vector<float>();
  EXPECT_TRUE(layer.ready());
  const auto before = bitlinear_cache();
  const BitLinear same(w.clone());
  EXPECT_EQ(same.forward(x).to_vector<float>(), first);
  auto now = bitlinear_cache();
  EXPECT_EQ(now.hits, before.hits + 1);
  EXPECT_EQ(now.entries, before.entries);
  const BitLinear by_row(w, {}, {.grain = WeightGrain::Row});
  by_row.forward(x);
  EXPECT_EQ(bitlinear_cache().entries, before.entries + 1);

  // New content, once the layer is told.
  w.fill(0.25f);
  EXPECT_EQ(layer.forward(x).to_vector<float>(), first);
  layer.weights_changed();
  EXPECT_FALSE(layer.ready());
  EXPECT_EQ(layer.forward(x).to_vector<float>(),
            reference(quantize_weights(w, WeightGrain::Tensor, 0), {}, x));
}

TEST(BitLinear, TheCacheKeepsItsLimitAndLayersGoOnWithoutIt) {
  const std::uint64_t limit = bitlinear_cache().limit;
  const Tensor x = random_tensor({1, 256}, DType::F32, 9);
  std::vector<BitLinear> layers;
  std::vector<std::vector<float>> expected;
  for (unsigned i = 0; i < 4; ++i) {
    layers.emplace_back(random_tensor({64, 256}, DType::F32, 100 + i));
    expected.push_back(layers.back().forward(x).to_vector<float>());
  }
  set_bitlinear_cache_limit(2 * (64 * 64 + 4));  // two layers
  EXPECT_LE(bitlinear_cache().bytes, bitlinear_cache().limit);
  EXPECT_TRUE(layers[3].ready());
  EXPECT_FALSE(layers[0].ready());
  for (unsigned i = 0; i < 4; ++i) EXPECT_EQ(layers[i].forward(x).to_vector<float>(), expected[i]);
  EXPECT_FALSE(layers[1].ready());
  EXPECT_TRUE(layers[2].ready());
  set_bitlinear_cache_limit(0);
  EXPECT_EQ(bitlinear_cache().entries, 0u);
  for (unsigned i = 0; i < 4; ++i) EXPECT_EQ(layers[i].forward(x).to_vector<float>(), expected[i]);
  set_bitlinear_cache_limit(limit);
}

TEST(BitLinear, GivesItsCacheUpUnderPressureAndMakesItAgain) {
  const Tensor x = random_tensor({1, 256}, DType::F32, 10);
  const BitLinear floats(random_tensor({64, 256}, DType::F32, 11));
  const TernaryMatrix trits = quantize_weights(random_tensor({64, 256}, DType::F32, 12), WeightGrain::Row, 0);
  const BitLinear packed = BitLinear::encoded(encode_stream(trits, codec_table()[2]));
  const auto expected = floats.forward(x).to_vector<float>();

  double share = 0.5;
  PressureMonitor monitor;
  const auto watching = monitor.watch(default_pool().name(), [&] {
    return PoolUse{.used = static_cast<std::uint64_t>(share * 1000), .limit = 1000, .events = 0};
  });
  MemoryCleaner cleaner(monitor, {.strategies = {"device"}});
  cleaner.run_once();
  EXPECT_TRUE(floats.ready());
  share = 0.92;
  cleaner.run_once();
  EXPECT_FALSE(floats.ready());
  EXPECT_TRUE(packed.ready());
  EXPECT_EQ(floats.forward(x).to_vector<float>(), expected);
  EXPECT_EQ(packed.forward(x).to_vector<float>(), reference(trits, {}, x));
}

TEST(BitLinear, AllocatesNothingAfterTheFirstForward) {
  for (const WeightGrain grain : kGrains) {
    const BitLinear layer(random_tensor({512, 1024}, DType::F32, 13), {}, {.grain = grain, .threads = 2});
    for (const std::int64_t tokens : {1, 64}) {
      const Tensor x = random_tensor({tokens, 1024}, DType::F32, 14);
      const Tensor y = Tensor::empty({tokens, 512}, DType::F32);
      layer.forward_into(x, y);
      const auto calls = testing::allocations();
      const PoolStats before = default_pool().stats();
      for (int i = 0; i < 5; ++i) layer.forward_into(x, y);
      const PoolStats after = default_pool().stats();
      EXPECT_EQ(testing::allocations(), calls);
      EXPECT_EQ(after.held, before.held);
      EXPECT_EQ(after.used, before.used);
    }
  }
}

TEST(BitLinear, ThreadsShareALayer) {
  const Tensor w = random_tensor({64, 256}, DType::F32, 15);
  const Tensor x = random_tensor({3, 256}, DType::F32, 16);
  const BitLinear layer(w, {}, {.grain = WeightGrain::Row, .threads = 2});
  const auto expected = reference(quantize_weights(w, WeightGrain::Row, 0), {}, x);
  std::vector<std::vector<float>> found(4);
  std::vector<std::jthread> threads;
  for (auto& result : found) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) result = layer.forward(x).to_vector<float>();
    });
  }
  threads.clear();
  for (const auto& result : found) EXPECT_EQ(result, expected);
}

Error error_of(const auto& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing thrown";
  return Error(ErrorCategory::Internal, "");
}

TEST(BitLinear, RefusesWhatDoesNotFit) {
  const Tensor w = random_tensor({8, 96}, DType::F32, 17);
  const auto category = [](const auto& call) { return error_of(call).category(); };
  using enum ErrorCategory;
  EXPECT_EQ(category([&] { BitLinear(w.select(0, 0)); }), InvalidArgument);
  EXPECT_EQ(category([&] { BitLinear(w.to(DType::I8)); }), InvalidArgument);
  EXPECT_EQ(category([&] { BitLinear(Tensor::empty({0, 4}, DType::F32)); }), InvalidArgument);
  EXPECT_EQ(category([&] { BitLinear(w, Tensor::zeros({9}, DType::F32)); }), InvalidArgument);
  EXPECT_EQ(category([&] { BitLinear(w, {}, {.grain = WeightGrain::Group, .group = 64}); }), InvalidArgument);
  EXPECT_EQ(category([&] { BitLinear(w, {}, {.grain = WeightGrain::Group, .group = 0}); }), InvalidArgument);
  EXPECT_EQ(category([&] { BitLinear(w, {}, {.backend = "none"}); }), InvalidArgument);
  EXPECT_EQ(category([&] { BitLinear::packed(DType::F32, {}, 8, 96); }), InvalidArgument);
  EXPECT_EQ(category([&] { BitLinear::packed(DType::I2_S, {}, 8, 128); }), Format);
  EXPECT_EQ(category([&] { BitLinear::encoded({}); }), Format);
  const BitLinear layer(w);
  EXPECT_EQ(category([&] { layer.forward(Tensor::zeros({2, 95}, DType::F32)); }), Mismatch);
  EXPECT_EQ(category([&] { layer.forward(Tensor::scalar(1.0f)); }), Mismatch);
  EXPECT_EQ(category([&] { layer.forward(Tensor::zeros({2, 96}, DType::I32)); }), InvalidArgument);
  const Tensor x = Tensor::zeros({2, 96}, DType::F32);
  EXPECT_EQ(category([&] { layer.forward_into(x, Tensor::empty({2, 9}, DType::F32)); }), InvalidArgument);
  EXPECT_EQ(category([&] { layer.forward_into(x, Tensor::empty({2, 8}, DType::F16)); }), InvalidArgument);

  w.index({5, 70}).fill(std::numeric_limits<float>::quiet_NaN());
  for (const WeightGrain grain : kGrains) {
    const Error error = error_of([&] { BitLinear(w, {}, {.grain = grain, .group = 32}).forward(x); });
    EXPECT_EQ(error.category(), Format);
    EXPECT_EQ(error.value("row"), "5");
    EXPECT_EQ(error.value("column"), "70");
  }
}

}  // namespace
}  // namespace sterna
