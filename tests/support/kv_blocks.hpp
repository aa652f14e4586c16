// Keys and values of one head as the kernels store them, for the tests of attention and of the cache.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/checked.hpp"
#include "base/half.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/kv_layout.hpp"
#include "memory/aligned_buffer.hpp"
#include "support/exact_buffer.hpp"

namespace sterna::testing {

using Random = std::mt19937;
using Floats = std::vector<float>;

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// A copy in memory of exactly its size.
inline ExactBuffer<float> exactly(const float* from, std::size_t n) {
  ExactBuffer<float> copy(n);
  std::copy(from, from + n, copy.begin());
  return copy;
}

/// A way to store the cache, and the kernels of it.
struct CacheType {
  const char* name;
  std::size_t bytes;
  void (*FloatKernels::*append)(const KvAppendArgs&);
  void (*FloatKernels::*attention)(const AttentionArgs&);
};
inline constexpr CacheType kF32{"f32", 4, &FloatKernels::kv_append_f32, &FloatKernels::attention_f32};
inline constexpr CacheType kF16{"f16", 2, &FloatKernels::kv_append_f16, &FloatKernels::attention_f16};
inline constexpr CacheType kI8{"int8", 1, &FloatKernels::kv_append_i8, &FloatKernels::attention_i8};
inline constexpr CacheType kTypes[] = {kF32, kF16, kI8};

/// Keys and values of one kv head, as they went in and as they are kept.
struct Cache {
  Cache(const FloatKernels& kernels, const CacheType& cache_type, std::size_t dim, std::size_t n)
      : type(cache_type),
        head_dim(dim),
        positions(n),
        keys(n * dim),
        values(n * dim),
        layout(kv_block_layout(dim, type.bytes, type.bytes == 1)),
        blocks(layout.bytes * ceil_div(n, kKvBlock)),
        kernels_(kernels) {}

  void append_all() {
    for (std::size_t p = 0; p < positions; ++p) {
      const auto key = exactly(&keys[p * head_dim], head_dim);
      const auto value = exactly(&values[p * head_dim], head_dim);
      (kernels_.*type.append)({key.data(), value.data(), head_dim,
                               blocks.data() + p / kKvBlock * layout.bytes, layout, p % kKvBlock});
    }
  }
  const std::byte* block(std::size_t p) const { return blocks.data() + p / kKvBlock * layout.bytes; }
  float element(const std::byte* at) const {
    if (type.bytes == 1) return static_cast<float>(static_cast<std::int8_t>(*at));
    if (type.bytes == 4) {
      float v;
      std::memcpy(&v, at, sizeof v);
      return v;
    }
    std::uint16_t half;
    std::memcpy(&half, at, sizeof half);
    return f16_to_f32(half);
  }
  /// Without their scales. int8 lies in pairs along the sums.
  float key(std::size_t p, std::size_t i) const {
    const std::size_t depth = integers() ? 2 : 1;
    return element(block(p) + ((i / depth * kKvBlock + p % kKvBlock) * depth + i % depth) * type.bytes);
  }
  float value(std::size_t p, std::size_t i) const {
    const std::size_t depth = integers() ? 2 : 1;
    const std::size_t slot = p % kKvBlock;
    return element(block(p) + layout.values +
                   ((slot / depth * layout.width + i) * depth + slot % depth) * type.bytes);
  }
  bool integers() const { return type.bytes == 1; }
  float scale(std::size_t offset, std::size_t p) const {
    if (offset == 0) return 1.0f;
    float v;
    std::memcpy(&v, block(p) + offset + p % kKvBlock * sizeof(float), sizeof v);
    return v;
  }
  float key_scale(std::size_t p) const { return scale(layout.key_scales, p); }
  float value_scale(std::size_t p) const { return scale(layout.value_scales, p); }

  CacheType type;
  std::size_t head_dim;
  std::size_t positions;
  Floats keys;  ///< [positions][head_dim]
  Floats values;
  KvBlockLayout layout;
  AlignedBuffer blocks;

 private:
  const FloatKernels& kernels_;
};

inline void fill(Floats& values, Random& random, float deviation = 1.0f) {
  std::normal_distribution<float> normal(0.0f, deviation);
  for (float& v : values) v = normal(random);
}

/// Equal bits; any NaN equals any other.
inline void expect_same(const float* found, const float* expected, std::size_t n, const std::string& what) {
  for (std::size_t i = 0; i < n; ++i) {
    if (std::isnan(found[i]) && std::isnan(expected[i])) continue;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(found[i]), std::bit_cast<std::uint32_t>(expected[i]))
        << what << ": element " << i << " of " << n << ": " << found[i] << " for " << expected[i];
  }
}

}  // namespace sterna::testing
