// Attention of a 2B model's layer: one token over a long context, bound by reading the cache, and tiles of a
// prompt. Every thread has a kv head of its own, as in the forward pass.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/checked.hpp"
#include "bench/kernels/kernel_case.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/kv_layout.hpp"

namespace sterna::cli {
namespace {

constexpr std::size_t kHeadDim = 128;
constexpr std::size_t kGroup = 4;  // query heads to a kv head
constexpr std::size_t kStride = kGroup * kHeadDim;
constexpr float kScale = 0.088f;

struct CacheType {
  std::string_view name;
  std::size_t bytes;
  Operand operand;  ///< what keys and values are multiplied as
  void (*FloatKernels::*append)(const KvAppendArgs&);
  void (*FloatKernels::*attention)(const AttentionArgs&);
};
constexpr CacheType kTypes[] = {
    {"f32", 4, Operand::FusedFloat, &FloatKernels::kv_append_f32, &FloatKernels::attention_f32},
    {"f16", 2, Operand::FusedFloat, &FloatKernels::kv_append_f16, &FloatKernels::attention_f16},
    {"int8", 1, Operand::Int16, &FloatKernels::kv_append_i8, &FloatKernels::attention_i8},
};

struct Shape {
  std::size_t positions;
  std::size_t tokens;  ///< the last of them
};
constexpr Shape kShapes[] = {{4096, 1}, {1024, 1}, {4096, 16}, {1024, 16}};
constexpr std::size_t kMostPositions = 4096;
constexpr std::size_t kMostTokens = 16;

/// The keys and values of a head, queries, and what every thread writes to.
class AttentionProblem {
 public:
  AttentionProblem(const CacheType& type, unsigned threads);
  void run(const FloatKernels& kernels, Shape shape, unsigned thread, const std::byte* cache);
  std::size_t check(std::string_view kernel, const FloatKernels& kernels, Shape shape);
  Bytes cache() const noexcept { return {blocks_.data(), blocks_.size()}; }

 private:
  struct Workplace {
    std::vector<float> state;
    AlignedBuffer scratch;
    std::vector<float> out;
  };

  CacheType type_;
  KvBlockLayout layout_;
  AlignedBuffer blocks_;
  std::vector<float> query_;
  std::vector<Workplace> workplaces_;
};

AttentionProblem::AttentionProblem(const CacheType& type, unsigned threads)
    : type_(type),
      layout_(kv_block_layout(kHeadDim, type.bytes, type.bytes == 1)),
      blocks_(layout_.bytes * ceil_div(kMostPositions, kKvBlock)),
      query_(kMostTokens * kStride),
      workplaces_(threads) {
  Random random(1);
  std::normal_distribution<float> normal;
  for (float& v : query_) v = normal(random);
  std::vector<float> key(kHeadDim), value(kHeadDim);
  const FloatKernels generic = select_float_kernels("generic");
  for (std::size_t p = 0; p < kMostPositions; ++p) {
    for (float& v : key) v = normal(random);
    for (float& v : value) v = normal(random);
    (generic.*type.append)({key.data(), value.data(), kHeadDim, blocks_.data() + p / kKvBlock * layout_.bytes,
                            layout_, p % kKvBlock});
  }
  constexpr std::size_t kRows = kMostTokens * kGroup;
  for (Workplace& place : workplaces_) {
    place.state.resize(attention_state_floats(kRows, layout_.width));
    place.scratch = AlignedBuffer(attention_scratch_floats(kRows, layout_.width) * sizeof(float));
    place.out.resize(kMostTokens * kStride);
  }
}

void AttentionProblem::run(const FloatKernels& kernels, Shape shape, unsigned thread,
                           const std::byte* cache) {
  Workplace& place = workplaces_[thread];
  const std::size_t position = shape.positions - shape.tokens;
  (kernels.*type_.attention)({.query = query_.data(),
                              .query_stride = kStride,
                              .tokens = shape.tokens,
                              .group = kGroup,
                              .head_dim = kHeadDim,
                              .blocks = cache,
                              .block_stride = layout_.bytes,
                              .layout = layout_,
                              .position = position,
                              .chunk_begin = 0,
                              .chunk_end = ceil_div(shape.positions, kKvChunk),
                              .scale = kScale,
                              .state = place.state.data(),
                              .scratch = reinterpret_cast<float*>(place.scratch.data())});
  kernels.attention_finish({.states = place.state.data(),
                            .stride = place.state.size(),
                            .count = 1,
                            .tokens = shape.tokens,
                            .group = kGroup,
                            .head_dim = kHeadDim,
                            .width = layout_.width,
                            .position = position,
                            .out = place.out.data(),
                            .out_stride = kStride});
}

std::size_t AttentionProblem::check(std::string_view kernel, const FloatKernels& kernels, Shape shape) {
  std::vector<float>& out = workplaces_.front().out;
  const std::size_t results = shape.tokens * kStride;
  run(select_float_kernels("generic"), shape, 0, blocks_.data());
  const std::vector<float> expected(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(results));
  std::ranges::fill(out, std::numeric_limits<float>::quiet_NaN());
  run(kernels, shape, 0, blocks_.data());
  return check_floats(kernel, out, expected);
}

void measure_type(const KernelBenchOptions& options, std::span<const FloatKernels> sets,
                  const CacheType& type, Machine& machine, const Measure& measure) {
  AttentionProblem problem(type, machine.threads().back());
  Copies copies(machine, problem.cache());
  std::vector<KernelCase> cases;
  for (const FloatKernels& set : sets) {
    for (const Shape shape : kShapes) {
      const std::string kernel = fmt::format("attention_{}-{}", type.name, set.isa);
      // Token t of the last n sees positions − (n − 1 − t) of them.
      const double seen = static_cast<double>(shape.tokens * shape.positions) -
                          static_cast<double>(shape.tokens * (shape.tokens - 1)) / 2;
      cases.push_back({.kernel = kernel,
                       .shape = fmt::format("{} positions", shape.positions),
                       .tokens = shape.tokens,
                       .bytes = static_cast<double>(problem.cache().size()) *
                                static_cast<double>(shape.positions) / kMostPositions,
                       .operations = 4.0 * kStride * seen,
                       .peak = find_peak(set.isa, type.operand, shape.tokens),
                       .each_thread = true,
                       .check = [&problem, &set, kernel,
                                 shape](ThreadPool&) { return problem.check(kernel, set, shape); },
                       .run =
                           [&problem, &copies, &set, shape](ThreadPool& pool) {
                             std::vector<const std::byte*> caches(pool.size());
                             for (const std::byte*& cache : caches) cache = copies.next();
                             pool.parallel_for(
                                 pool.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
                                   for (std::size_t i = begin; i < end; ++i) {
                                     problem.run(set, shape, static_cast<unsigned>(i), caches[i]);
                                   }
                                 });
                           }});
      if (!options.all) break;
    }
  }
  measure(cases);
}

}  // namespace

std::vector<KernelGroup> attention_groups(const KernelBenchOptions& options) {
  std::vector<KernelGroup> groups;
  for (const CacheType& type : kTypes) {
    if (!options.all && options.filter.empty() && type.name == "f32") continue;
    const auto sets = wanted_float_kernels(options, fmt::format("attention_{}", type.name));
    if (sets.empty()) continue;
    groups.push_back([options, sets, &type](Machine& machine, const Measure& measure) {
      measure_type(options, sets, type, machine, measure);
    });
  }
  return groups;
}

}  // namespace sterna::cli
