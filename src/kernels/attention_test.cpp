// Attention: every instruction set against a naive one in the same order of
// operations by equality of bits, and that against double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/checked.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/reference.hpp"
#include "support/kv_blocks.hpp"

namespace sterna {

namespace naive {
// The exponential function of the engine, one number at a time.
// clang-format off
#include "kernels/cpu/generic/simd.hpp"
#include "kernels/cpu/math-inl.hpp"
// clang-format on

float exponential_of(float x) {
  return exponential(splat(x))[0];
}
}  // namespace naive

namespace {

using namespace testing;

// ---- what is computed -------------------------------------------------------------------------------------

struct NaiveState {
  explicit NaiveState(std::size_t head_dim) : sums(head_dim) {}
  float max = -std::numeric_limits<float>::max();
  float total = 0;
  Floats sums;
};

/// A row in 16 bits, and its unit.
struct Rounded {
  explicit Rounded(const Floats& x) {
    float max = 0, poison = 0;
    for (const float v : x) {
      max = std::abs(v) > max ? std::abs(v) : max;
      poison += v - v;
    }
    const float factor = max < 0x1p-100f ? 0.0f : 32767.0f / max;
    unit = max / 32767.0f + poison;
    for (const float v : x) {
      const float scaled = std::isnan(v * factor) ? 32767.0f : std::clamp(v * factor, -32767.0f, 32767.0f);
      codes.push_back(static_cast<std::int32_t>(std::nearbyint(scaled)));
    }
  }
  std::vector<std::int32_t> codes;
  float unit;
};

/// The formulas at the top of cpu/attention-inl.hpp, one operation at a time.
Floats naive_attention(const Cache& cache, const float* query, std::size_t positions, float scale) {
  const std::size_t dim = cache.head_dim;
  const Rounded rounded(Floats(query, query + dim));
  NaiveState all(dim);
  for (std::size_t chunk = 0; chunk < positions; chunk += kKvChunk) {
    NaiveState state(dim);
    const std::size_t chunk_end = std::min(positions, chunk + kKvChunk);
    for (std::size_t begin = chunk; begin < chunk_end; begin += kKvBlock) {
      const std::size_t count = std::min(kKvBlock, positions - begin);
      Floats e(count);
      float max = state.max;
      for (std::size_t p = 0; p < count; ++p) {
        std::int32_t sum = 0;
        for (std::size_t i = 0; i < dim; ++i) {
          e[p] = std::fma(query[i], cache.key(begin + p, i), e[p]);
          if (cache.integers()) sum += rounded.codes[i] * static_cast<std::int32_t>(cache.key(begin + p, i));
        }
        if (cache.integers())
          e[p] = static_cast<float>(sum) * (rounded.unit * scale) * cache.key_scale(begin + p);
        else
          e[p] *= scale;
        max = e[p] > max ? e[p] : max;
      }
      for (float& x : e) x = naive::exponential_of(x - max);
      const float factor = naive::exponential_of(state.max - max);
      state.total = state.total * factor + reference::dot(e.data(), Floats(count, 1.0f).data(), count);
      state.max = max;
      Floats weights = e;
      for (std::size_t p = 0; p < count; ++p) weights[p] *= cache.value_scale(begin + p);
      const Rounded codes(weights);
      for (std::size_t i = 0; i < dim; ++i) {
        float sum = 0;
        std::int32_t integer = 0;
        for (std::size_t p = 0; p < count; ++p) {
          sum = std::fma(e[p], cache.value(begin + p, i), sum);
          if (cache.integers())
            integer += codes.codes[p] * static_cast<std::int32_t>(cache.value(begin + p, i));
        }
        if (cache.integers()) sum = static_cast<float>(integer) * codes.unit;
        state.sums[i] = state.sums[i] * factor + sum;
      }
    }
    if (chunk == 0) {
      all = state;
      continue;
    }
    const float max = std::max(all.max, state.max);
    const float a = naive::exponential_of(all.max - max);
    const float b = naive::exponential_of(state.max - max);
    all.max = max;
    all.total = all.total * a + state.total * b;
    for (std::size_t i = 0; i < dim; ++i) all.sums[i] = all.sums[i] * a + state.sums[i] * b;
  }
  for (float& sum : all.sums) sum /= all.total;
  return all.sums;
}

std::vector<double> exact_attention(const Cache& cache, const float* query, std::size_t positions,
                                    float scale) {
  std::vector<double> e(positions), out(cache.head_dim);
  for (std::size_t p = 0; p < positions; ++p) {
    for (std::size_t i = 0; i < cache.head_dim; ++i) {
      e[p] += static_cast<double>(query[i]) * scale * cache.key(p, i) * cache.key_scale(p);
    }
  }
  const double max = *std::max_element(e.begin(), e.end());
  double total = 0;
  for (double& x : e) total += x = std::exp(x - max);
  for (std::size_t p = 0; p < positions; ++p) {
    const double weight = e[p] / total * cache.value_scale(p);
    for (std::size_t i = 0; i < cache.head_dim; ++i) out[i] += weight * cache.value(p, i);
  }
  return out;
}

// ---- the kernels ------------------------------------------------------------------------------------------

/// Queries of the last `tokens` positions of a cache, all heads of a group.
struct Queries {
  Queries(const Cache& cache, std::size_t n, std::size_t heads, Random& random)
      : tokens(n), group(heads), head_dim(cache.head_dim), data(n * heads * head_dim) {
    fill(data, random, 2.0f);
  }
  const float* row(std::size_t t, std::size_t g) const { return &data[(t * group + g) * head_dim]; }

  std::size_t tokens;
  std::size_t group;
  std::size_t head_dim;
  Floats data;
};

struct Split {
  std::size_t tokens;  ///< at once
  bool chunks;         ///< each by itself, merged at the end
};

Floats run(const FloatKernels& kernels, const Cache& cache, const Queries& queries, float scale,
           Split split) {
  const std::size_t stride = queries.group * cache.head_dim;
  Floats out(queries.tokens * stride);
  for (std::size_t first = 0; first < queries.tokens; first += split.tokens) {
    const std::size_t tokens = std::min(split.tokens, queries.tokens - first);
    const std::size_t rows = tokens * queries.group;
    const std::size_t position = cache.positions - queries.tokens + first;
    const std::size_t chunks = ceil_div(position + tokens, kKvChunk);
    const std::size_t floats = attention_state_floats(rows, cache.layout.width);
    const std::size_t states = split.chunks ? chunks : 1;
    ExactBuffer<float> state(floats * states);
    ExactBuffer<float> scratch(attention_scratch_floats(rows, cache.layout.width));
    std::fill(state.begin(), state.end(), kNaN);  // what was there must not matter
    std::fill(scratch.begin(), scratch.end(), kNaN);
    const auto query = exactly(queries.row(first, 0), tokens * stride);
    for (std::size_t i = states; i-- > 0;) {
      (kernels.*cache.type.attention)({.query = query.data(),
                                       .query_stride = stride,
                                       .tokens = tokens,
                                       .group = queries.group,
                                       .head_dim = cache.head_dim,
                                       .blocks = cache.blocks.data(),
                                       .block_stride = cache.layout.bytes,
                                       .layout = cache.layout,
                                       .position = position,
                                       .chunk_begin = split.chunks ? i : 0,
                                       .chunk_end = split.chunks ? i + 1 : chunks,
                                       .scale = scale,
                                       .state = state.data() + i * floats,
                                       .scratch = scratch.data()});
    }
    ExactBuffer<float> result(tokens * stride);
    kernels.attention_finish({.states = state.data(),
                              .stride = floats,
                              .count = states,
                              .tokens = tokens,
                              .group = queries.group,
                              .head_dim = cache.head_dim,
                              .width = cache.layout.width,
                              .position = position,
                              .out = result.data(),
                              .out_stride = stride});
    std::copy(result.begin(), result.end(), out.begin() + static_cast<std::ptrdiff_t>(first * stride));
  }
  return out;
}

class Attention : public ::testing::TestWithParam<FloatKernels> {
 protected:
  void SetUp() override {
    if (!supported(GetParam().required)) GTEST_SKIP() << "not on this processor";
  }

  Cache random_cache(const CacheType& type, std::size_t head_dim, std::size_t positions) {
    Cache cache(kernels_, type, head_dim, positions);
    fill(cache.keys, random_);
    fill(cache.values, random_);
    cache.append_all();
    return cache;
  }

  /// Every token and head is what the naive loop gives, however the work is split.
  void expect_naive(const Cache& cache, const Queries& queries, float scale) {
    Floats expected;
    for (std::size_t t = 0; t < queries.tokens; ++t) {
      for (std::size_t g = 0; g < queries.group; ++g) {
        const Floats row =
            naive_attention(cache, queries.row(t, g), cache.positions - queries.tokens + t + 1, scale);
        expected.insert(expected.end(), row.begin(), row.end());
      }
    }
    for (const Split split : {Split{queries.tokens, false}, Split{queries.tokens, true}, Split{1, false},
                              Split{1, true}, Split{1 + queries.tokens / 2, false}}) {
      const Floats found = run(kernels_, cache, queries, scale, split);
      ASSERT_NO_FATAL_FAILURE(expect_same(found.data(), expected.data(), expected.size(), cache.type.name))
          << "head_dim " << cache.head_dim << " positions " << cache.positions << " tokens " << queries.tokens
          << " group " << queries.group << ", " << split.tokens << " tokens at once"
          << (split.chunks ? ", chunk by chunk" : "");
    }
  }

  const FloatKernels kernels_ =
      supported(GetParam().required) ? select_float_kernels(GetParam().isa) : FloatKernels{};
  Random random_{7};
};
INSTANTIATE_TEST_SUITE_P(Table, Attention,
                         ::testing::ValuesIn(float_kernels().begin(), float_kernels().end()),
                         [](const auto& row) { return std::string(row.param.isa); });

TEST_P(Attention, IsTheNaiveOneAtEveryShape) {
  for (const CacheType& type : kTypes) {
    for (const std::size_t head_dim : {1, 8, 31, 80, 96, 128, 256}) {
      for (const std::size_t positions : {1, 63, 64, 65, 130, 257, 530}) {
        const Cache cache = random_cache(type, head_dim, positions);
        const std::size_t group = std::array{1, 3, 4, 8}[random_() % 4];
        const std::size_t tokens = std::min<std::size_t>(positions, std::array{1, 2, 5, 20}[random_() % 4]);
        ASSERT_NO_FATAL_FAILURE(expect_naive(cache, Queries(cache, tokens, group, random_),
                                             1.0f / std::sqrt(static_cast<float>(head_dim))));
      }
    }
  }
}

TEST_P(Attention, SharesBlocksBetweenTheTokensOfAPrompt) {
  for (const CacheType& type : kTypes) {
    for (const std::size_t group : {1, 3, 4, 8}) {
      const Cache cache = random_cache(type, 24, 300);
      ASSERT_NO_FATAL_FAILURE(expect_naive(cache, Queries(cache, 64 / group, group, random_), 0.2f));
      ASSERT_NO_FATAL_FAILURE(expect_naive(cache, Queries(cache, 300, group, random_), 0.2f))
          << "across chunks";
    }
  }
}

TEST_P(Attention, IsASoftmax) {
  for (const CacheType& type : kTypes) {
    for (const std::size_t positions : {1, 64, 500, 1000}) {
      const Cache cache = random_cache(type, 128, positions);
      const Queries queries(cache, 1, 4, random_);
      const Floats found = run(kernels_, cache, queries, 0.3f, {1, false});
      for (std::size_t g = 0; g < 4; ++g) {
        const auto exact = exact_attention(cache, queries.row(0, g), positions, 0.3f);
        // The sum of a score has an error of some units of 2^-24 · Σ|q · k|, which e^x makes one of the
        // weights; in integers, each q has one of 2^-16 of the largest. Of a query whose largest is 4 that is
        // 2^-14; over 128 dimensions, times 0.3, some 1e-4 of a score, and values differ by a few units.
        const double tolerance = cache.integers() ? 1e-3 : 3e-5;
        for (std::size_t i = 0; i < 128; ++i)
          ASSERT_NEAR(found[g * 128 + i], exact[i], tolerance) << type.name;
      }
    }
  }
}

TEST_P(Attention, OfScoresFarApartOverflowsNowhere) {
  for (const CacheType& type : kTypes) {
    Cache cache(kernels_, type, 8, 300);
    Queries queries(cache, 3, 4, random_);
    fill(cache.values, random_);
    std::uniform_real_distribution<float> score(-1e4f, 1e4f);
    for (std::size_t p = 0; p < 300; ++p) cache.keys[p * 8] = score(random_);  // one dimension alone
    for (std::size_t i = 0; i < queries.data.size(); ++i)
      queries.data[i] = i % 8 == 0 ? (i % 16 ? -1.0f : 1.0f) : 0.0f;
    cache.append_all();
    ASSERT_NO_FATAL_FAILURE(expect_naive(cache, queries, 1.0f));
    const Floats found = run(kernels_, cache, queries, 1.0f, {3, false});
    for (const float v : found) ASSERT_TRUE(std::isfinite(v));
    const auto exact = exact_attention(cache, queries.row(2, 3), 300, 1.0f);
    for (std::size_t i = 0; i < 8; ++i) ASSERT_NEAR(found[(2 * 4 + 3) * 8 + i], exact[i], 2e-3) << type.name;
  }
}

TEST_P(Attention, OfEqualScoresIsTheMean) {
  for (const CacheType& type : kTypes) {
    const Cache cache = random_cache(type, 16, 200);
    Queries queries(cache, 1, 1, random_);
    std::fill(queries.data.begin(), queries.data.end(), 0.0f);
    const Floats found = run(kernels_, cache, queries, 1.0f, {1, true});
    for (std::size_t i = 0; i < 16; ++i) {
      double mean = 0;
      for (std::size_t p = 0; p < 200; ++p)
        mean += static_cast<double>(cache.value(p, i)) * cache.value_scale(p) / 200;
      ASSERT_NEAR(found[i], mean, cache.integers() ? 2e-5 : 1e-6);
    }
  }
}

TEST_P(Attention, KeepsNaNWithWhoSeesIt) {
  for (const CacheType& type : kTypes) {
    for (const float bad : {kNaN, kInfinity}) {
      const Cache clean = random_cache(type, 40, 130);
      Cache cache(kernels_, type, 40, 130);
      cache.keys = clean.keys;
      cache.values = clean.values;
      cache.values[120 * 40 + 3] = bad;
      cache.append_all();
      const Queries queries(cache, 30, 3, random_);  // positions 100 to 129
      const Floats found = run(kernels_, cache, queries, 0.2f, {30, false});
      const Floats expected = run(kernels_, clean, queries, 0.2f, {1, false});
      ASSERT_NO_FATAL_FAILURE(expect_same(found.data(), expected.data(), 20 * 3 * 40, "before it"));
      for (std::size_t row = 20 * 3; row < 30 * 3; ++row) ASSERT_FALSE(std::isfinite(found[row * 40 + 3]));
      cache.keys[127 * 40] = bad;
      cache.append_all();
      ASSERT_NO_FATAL_FAILURE(expect_naive(cache, queries, 0.2f));
    }
  }
}

TEST_P(Attention, DoesNotSeeWhatWasForgotten) {
  for (const CacheType& type : kTypes) {
    Cache cache = random_cache(type, 40, 70);
    const Queries queries(cache, 1, 4, random_);
    const Floats expected = run(kernels_, cache, queries, 0.2f, {1, false});
    const std::vector<float> nans(40, kNaN);
    for (std::size_t slot = 70 % kKvBlock; slot < kKvBlock; ++slot) {
      (kernels_.*type.append)(
          {nans.data(), nans.data(), 40, cache.blocks.data() + cache.layout.bytes, cache.layout, slot});
    }
    const Floats found = run(kernels_, cache, queries, 0.2f, {1, false});
    ASSERT_NO_FATAL_FAILURE(expect_same(found.data(), expected.data(), expected.size(), type.name));
  }
}

}  // namespace
}  // namespace sterna
