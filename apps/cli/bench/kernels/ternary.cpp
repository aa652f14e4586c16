#include "bench/kernels/ternary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/checked.hpp"
#include "kernels/reference.hpp"
#include "packing/registry.hpp"

namespace sterna::cli {
namespace {

constexpr std::size_t kRowGrain = 8;
// A prime apart, so that every place in a tile and, of large matrices, every thread's share has some.
constexpr std::size_t kCheckedRowStep = 97;

struct Shape {
  std::size_t rows;
  std::size_t cols;
};
// Of a 2B4T: gate and up, down, and query, key and value as one.
constexpr Shape kShapes[] = {{6912, 2560}, {2560, 6912}, {3840, 2560}};
constexpr std::size_t kTokens[] = {1, 2, 8, 64, 256};
constexpr std::size_t kQuickTokens[] = {1, 64};

/// Every kernel of a packing at a shape.
void measure_shape(const KernelBenchOptions& options, std::span<const TernaryKernel* const> kernels,
                   Shape shape, Machine& machine, const Measure& measure) {
  const std::span<const std::size_t> all_tokens =
      options.all ? std::span<const std::size_t>(kTokens) : std::span<const std::size_t>(kQuickTokens);
  TernaryProblem problem(kernels.front()->packing, shape.rows, shape.cols, all_tokens.back());
  Copies copies(machine, problem.stored());
  std::vector<KernelCase> cases;
  for (const TernaryKernel* kernel : kernels) {
    for (const std::size_t tokens : all_tokens) {
      cases.push_back({.kernel = std::string(kernel->name),
                       .shape = fmt::format("{}x{}", shape.rows, shape.cols),
                       .tokens = tokens,
                       .bytes = static_cast<double>(shape.rows * problem.row_bytes()),
                       .operations = 2.0 * static_cast<double>(shape.rows * shape.cols * tokens),
                       .peak = find_peak(kernel->isa, Operand::Int8, tokens),
                       .check = [&problem, kernel,
                                 tokens](ThreadPool& pool) { return problem.check(*kernel, tokens, pool); },
                       .run = [&problem, &copies, kernel, tokens](
                                  ThreadPool& pool) { problem.run(*kernel, copies.next(), tokens, pool); }});
    }
  }
  measure(cases);
}

}  // namespace

TernaryProblem::TernaryProblem(DType packing, std::size_t rows, std::size_t cols, std::size_t tokens)
    : rows_(rows),
      cols_(cols),
      tokens_(tokens),
      stride_(*storage_bytes(packing, 1, cols) - info(packing).tensor_bytes_extra),
      x_stride_(round_up(cols, kActivationPadding)),
      stored_(*storage_bytes(packing, rows, cols)),
      x_(tokens * x_stride_),
      x_sums_(tokens),
      out_(tokens * rows) {
  Random random(1);
  TernaryMatrix matrix;
  matrix.rows = rows;
  matrix.cols = cols;
  matrix.trits.resize(rows * cols);
  for (auto& trit : matrix.trits) trit = static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1);
  matrix.scales.values = {1.0f};
  find_packing(packing)->pack(matrix, {}, stored_);

  auto* x = reinterpret_cast<std::int8_t*>(x_.data());
  std::vector<std::int8_t> dense(tokens * cols);
  for (std::size_t m = 0; m < tokens; ++m) {
    for (std::size_t c = 0; c < cols; ++c) {
      const auto q = static_cast<std::int8_t>(random() >> 8 & 0xff);
      x[m * x_stride_ + c] = dense[m * cols + c] = q;
      x_sums_[m] += q;
    }
  }
  for (std::size_t r = 0; r < rows; r += kCheckedRowStep) checked_rows_.push_back(r);
  if (checked_rows_.back() != rows - 1) checked_rows_.push_back(rows - 1);
  expected_.resize(checked_rows_.size() * tokens);
  for (std::size_t i = 0; i < checked_rows_.size(); ++i) {
    reference::ternary_matmul(&matrix.trits[checked_rows_[i] * cols], 1, cols, dense.data(), tokens,
                              &expected_[i * tokens]);
  }
}

void TernaryProblem::run(const TernaryKernel& kernel, const std::byte* weights, std::size_t tokens,
                         ThreadPool& pool) {
  pool.parallel_for(rows_, kRowGrain, [&](std::size_t begin, std::size_t end, unsigned) {
    kernel.run({.weights = reinterpret_cast<const std::uint8_t*>(weights),
                .weight_stride = stride_,
                .cols = cols_,
                .x = reinterpret_cast<const std::int8_t*>(x_.data()),
                .x_stride = x_stride_,
                .x_sums = x_sums_.data(),
                .tokens = tokens,
                .row_begin = begin,
                .row_end = end,
                .out = out_.data(),
                .out_stride = rows_});
  });
}

std::size_t TernaryProblem::check(const TernaryKernel& kernel, std::size_t tokens, ThreadPool& pool) {
  std::ranges::fill(out_, std::numeric_limits<std::int32_t>::min());  // what no product is
  run(kernel, stored_.data(), tokens, pool);
  for (std::size_t i = 0; i < checked_rows_.size(); ++i) {
    for (std::size_t m = 0; m < tokens; ++m) {
      const std::int32_t found = out_[m * rows_ + checked_rows_[i]];
      const std::int32_t expected = expected_[i * tokens_ + m];
      if (found == expected) continue;
      throw_wrong(kernel.name,
                  fmt::format("{}x{}, {} tokens on {} threads, token {} row {}", rows_, cols_, tokens,
                              pool.size(), m, checked_rows_[i]),
                  std::to_string(found), std::to_string(expected));
    }
  }
  return checked_rows_.size() * tokens;
}

std::vector<KernelGroup> ternary_groups(const KernelBenchOptions& options) {
  std::vector<KernelGroup> groups;
  for (const Packing& packing : packing_table()) {
    std::vector<const TernaryKernel*> kernels;
    for (const TernaryKernel& kernel : ternary_kernels()) {
      if (kernel.packing == packing.dtype && supported(kernel.required) &&
          options.wants(name(packing.dtype), kernel.isa)) {
        kernels.push_back(&kernel);
      }
    }
    if (kernels.empty()) continue;
    for (const Shape shape : kShapes) {
      groups.push_back([options, kernels, shape](Machine& machine, const Measure& measure) {
        measure_shape(options, kernels, shape, machine, measure);
      });
      if (!options.all) break;
    }
  }
  return groups;
}

}  // namespace sterna::cli
