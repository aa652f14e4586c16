// Attention of a 2B model's layer: one token over a long context, bound by reading the cache, and tiles of a
// prompt.
#include <fmt/format.h>

#include <array>
#include <bit>
#include <vector>

#include "base/checked.hpp"
#include "bench.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/kv_layout.hpp"

namespace sterna::bench {
namespace {

constexpr std::size_t kHeadDim = 128;
constexpr std::size_t kGroup = 4;  // query heads to a kv head
constexpr float kScale = 0.088f;

struct CacheType {
  const char* name;
  std::size_t bytes;
  void (*FloatKernels::*append)(const KvAppendArgs&);
  void (*FloatKernels::*attention)(const AttentionArgs&);
};
constexpr CacheType kTypes[] = {
    {"f32", 4, &FloatKernels::kv_append_f32, &FloatKernels::attention_f32},
    {"f16", 2, &FloatKernels::kv_append_f16, &FloatKernels::attention_f16},
    {"int8", 1, &FloatKernels::kv_append_i8, &FloatKernels::attention_i8},
};

struct Shape {
  std::size_t positions;
  std::size_t tokens;  ///< the last of them
};
constexpr Shape kShapes[] = {{128, 1}, {1024, 1}, {4096, 1}, {128, 16}, {1024, 16}, {4096, 16}};

/// One kv head, as every thread has its own of.
struct Problem {
  Problem(const CacheType& cache_type, Shape s)
      : type(cache_type),
        shape(s),
        layout(kv_block_layout(kHeadDim, type.bytes, type.bytes == 1)),
        blocks(layout.bytes * ceil_div(shape.positions, kKvBlock)),
        query(shape.tokens * kGroup * kHeadDim),
        state(attention_state_floats(shape.tokens * kGroup, layout.width)),
        scratch(attention_scratch_floats(shape.tokens * kGroup, layout.width) * sizeof(float)),
        out(query.size()) {
    Random random(1);
    std::normal_distribution<float> normal;
    for (float& v : query) v = normal(random);
    std::vector<float> key(kHeadDim), value(kHeadDim);
    const FloatKernels generic = select_float_kernels("generic");
    for (std::size_t p = 0; p < shape.positions; ++p) {
      for (float& v : key) v = normal(random);
      for (float& v : value) v = normal(random);
      (generic.*type.append)({key.data(), value.data(), kHeadDim, blocks.data() + p / kKvBlock * layout.bytes,
                              layout, p % kKvBlock});
    }
  }

  void run(const FloatKernels& kernels, const std::byte* cache) {
    const std::size_t stride = kGroup * kHeadDim;
    const std::size_t position = shape.positions - shape.tokens;
    (kernels.*type.attention)({.query = query.data(),
                               .query_stride = stride,
                               .tokens = shape.tokens,
                               .group = kGroup,
                               .head_dim = kHeadDim,
                               .blocks = cache,
                               .block_stride = layout.bytes,
                               .layout = layout,
                               .position = position,
                               .chunk_begin = 0,
                               .chunk_end = ceil_div(shape.positions, kKvChunk),
                               .scale = kScale,
                               .state = state.data(),
                               .scratch = reinterpret_cast<float*>(scratch.data())});
    kernels.attention_finish({.states = state.data(),
                              .stride = state.size(),
                              .count = 1,
                              .tokens = shape.tokens,
                              .group = kGroup,
                              .head_dim = kHeadDim,
                              .width = layout.width,
                              .position = position,
                              .out = out.data(),
                              .out_stride = stride});
  }

  CacheType type;
  Shape shape;
  KvBlockLayout layout;
  AlignedBuffer blocks;
  std::vector<float> query;
  std::vector<float> state;
  AlignedBuffer scratch;
  std::vector<float> out;
};

void run(benchmark::State& state, const FloatKernels& row, const CacheType& type, Shape shape) {
  const FloatKernels kernels = select_float_kernels(row.isa);
  Problem problem(type, shape);
  problem.run(select_float_kernels("generic"), problem.blocks.data());
  const std::vector<float> expected = problem.out;
  problem.run(kernels, problem.blocks.data());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (std::bit_cast<std::uint32_t>(problem.out[i]) == std::bit_cast<std::uint32_t>(expected[i])) continue;
    fail(fmt::format("attention {}", type.name),
         fmt::format("element {}: {} for {}", i, problem.out[i], expected[i]));
  }
  Copies caches({problem.blocks.data(), problem.blocks.size()});
  for (auto _ : state) {
    problem.run(kernels, caches.next());
    benchmark::ClobberMemory();
  }
  const auto seen = static_cast<double>(shape.positions - (shape.tokens - 1) / 2);  // by a token on average
  report(state, static_cast<double>(2 * shape.positions * kHeadDim * type.bytes),
         4.0 * seen * static_cast<double>(shape.tokens * kGroup * kHeadDim));
}

}  // namespace

void register_attention() {
  for (const FloatKernels& row : float_kernels()) {
    if (!supported(row.required)) continue;
    for (const CacheType& type : kTypes) {
      for (const Shape shape : kShapes) {
        const auto name =
            fmt::format("attention_{}-{}/{}/tokens:{}", type.name, row.isa, shape.positions, shape.tokens);
        benchmark::RegisterBenchmark(
            name.c_str(), [&row, &type, shape](benchmark::State& state) { run(state, row, type, shape); });
      }
    }
  }
}

}  // namespace sterna::bench
