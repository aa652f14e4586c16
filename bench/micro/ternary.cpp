// Ternary products at the shapes of a 2B model: one token, bound by reading the weights, and many.
#include <fmt/format.h>

#include <memory>
#include <vector>

#include "base/checked.hpp"
#include "bench.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/reference.hpp"
#include "packing/registry.hpp"

namespace sterna::bench {
namespace {

struct Shape {
  std::size_t rows;
  std::size_t cols;
};
constexpr Shape kShapes[] = {{2560, 2560}, {640, 2560}, {6912, 2560}, {2560, 6912}};
constexpr std::size_t kTokens[] = {1, 2, 3, 4, 6, 8, 64, 256};
constexpr std::size_t kRowGrain = 8;

struct Problem {
  Problem(const TernaryKernel& kernel, Shape shape, std::size_t tokens);

  TernaryArgs args(const std::byte* weights, std::size_t begin, std::size_t end) {
    return {reinterpret_cast<const std::uint8_t*>(weights),
            stride,
            shape.cols,
            reinterpret_cast<const std::int8_t*>(x.data()),
            x_stride,
            sums.data(),
            tokens,
            begin,
            end,
            out.data(),
            shape.rows};
  }
  void run(const std::byte* weights) {
    pool().parallel_for(shape.rows, kRowGrain, [&](std::size_t begin, std::size_t end, unsigned) {
      kernel.run(args(weights, begin, end));
    });
  }
  void check(const std::string& name);

  TernaryKernel kernel;
  Shape shape;
  std::size_t tokens;
  std::size_t stride;
  std::size_t x_stride;
  AlignedBuffer x;
  std::vector<std::int32_t> sums;
  std::vector<std::int32_t> out;
  TernaryMatrix matrix;
  std::vector<std::byte> stored;
};

Problem::Problem(const TernaryKernel& k, Shape s, std::size_t t)
    : kernel(k),
      shape(s),
      tokens(t),
      x_stride(round_up(s.cols, kActivationPadding)),
      x(t * x_stride),
      sums(t),
      out(t * s.rows) {
  Random random(1);
  matrix.rows = s.rows;
  matrix.cols = s.cols;
  matrix.trits.resize(s.rows * s.cols);
  for (auto& trit : matrix.trits) trit = static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1);
  matrix.scales.values = {1.0f};
  stored.resize(*storage_bytes(k.packing, s.rows, s.cols));
  find_packing(k.packing)->pack(matrix, {}, stored);
  stride = *storage_bytes(k.packing, 1, s.cols) - info(k.packing).tensor_bytes_extra;
  for (std::size_t m = 0; m < t; ++m) {
    for (std::size_t c = 0; c < s.cols; ++c) {
      const auto q = static_cast<std::int8_t>(random() >> 8 & 0xff);
      x.data()[m * x_stride + c] = static_cast<std::byte>(q);
      sums[m] += q;
    }
  }
}

void Problem::check(const std::string& name) {
  run(stored.data());
  std::vector<std::int32_t> expected(shape.rows);
  for (const std::size_t m : {std::size_t{0}, tokens - 1}) {
    reference::ternary_matmul(matrix.trits.data(), shape.rows, shape.cols,
                              reinterpret_cast<const std::int8_t*>(x.data()) + m * x_stride, 1,
                              expected.data());
    for (std::size_t r = 0; r < shape.rows; ++r) {
      if (out[m * shape.rows + r] == expected[r]) continue;
      fail(name, fmt::format("token {} row {}: {} for {}", m, r, out[m * shape.rows + r], expected[r]));
    }
  }
}

void run(benchmark::State& state, const TernaryKernel& kernel, Shape shape, std::size_t tokens) {
  Problem problem(kernel, shape, tokens);
  problem.check(std::string(kernel.name));
  Copies weights(problem.stored);
  for (auto _ : state) problem.run(weights.next());
  const auto products = static_cast<double>(shape.rows * shape.cols * tokens);
  report(state, static_cast<double>(shape.rows * problem.stride), 2 * products);
}

}  // namespace

void register_ternary() {
  for (const TernaryKernel& kernel : ternary_kernels()) {
    if (!supported(kernel.required)) continue;
    for (const Shape shape : kShapes) {
      for (const std::size_t tokens : kTokens) {
        const auto name = fmt::format("{}/{}x{}/tokens:{}", kernel.name, shape.rows, shape.cols, tokens);
        benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
          run(state, kernel, shape, tokens);
        })->UseRealTime();
      }
    }
  }
}

}  // namespace sterna::bench
