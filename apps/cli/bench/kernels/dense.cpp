// Dense products at the shape of a 2B model's head, with fewer rows: one token and a few.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/checked.hpp"
#include "bench/kernels/kernel_case.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/reference.hpp"
#include "tensor/dequantize.hpp"

namespace sterna::cli {
namespace {

constexpr std::size_t kRows = 4096;
constexpr std::size_t kCols = 2560;
constexpr std::size_t kTokens[] = {1, 16};
constexpr std::size_t kDistinctRows = 32;  // the rest repeat them: quantising takes longer than the benchmark
constexpr std::size_t kCheckedRowStep = 101;

constexpr DType kTypes[] = {DType::Q8_0, DType::F16, DType::Q6_K, DType::Q4_0, DType::BF16, DType::F32};

class DenseProblem {
 public:
  DenseProblem(DType dtype, std::size_t tokens);
  void run(const FloatKernels& kernels, const std::byte* weights, std::size_t tokens, ThreadPool& pool);
  std::size_t check(std::string_view kernel, const FloatKernels& kernels, std::size_t tokens,
                    ThreadPool& pool);
  Bytes stored() const noexcept { return stored_; }

 private:
  DType dtype_;
  std::size_t stride_;
  std::vector<std::byte> stored_;
  std::vector<std::vector<float>> decoded_;  ///< the distinct rows
  std::vector<float> x_;
  std::vector<std::int16_t> codes_;
  std::vector<float> scales_;
  std::vector<float> out_;
};

DenseProblem::DenseProblem(DType dtype, std::size_t tokens)
    : dtype_(dtype),
      stride_(*storage_bytes(dtype, 1, kCols)),
      stored_(kRows * stride_),
      x_(tokens * kCols),
      codes_(tokens * kCols),
      scales_(tokens),
      out_(tokens * kRows) {
  Random random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(kCols);
  for (std::size_t r = 0; r < kRows; ++r) {
    std::byte* at = stored_.data() + r * stride_;
    if (r < kDistinctRows) {
      for (float& v : values) v = normal(random);
      quantize_row(dtype, values.data(), kCols, at);
      decoded_.emplace_back(kCols);
      dequantize_row(dtype, at, kCols, decoded_.back().data());
    } else {
      std::memcpy(at, stored_.data() + r % kDistinctRows * stride_, stride_);
    }
  }
  for (float& v : x_) v = normal(random);
  const FloatKernels generic = select_float_kernels("generic");
  for (std::size_t m = 0; m < tokens; ++m) {
    scales_[m] = generic.quantize16(&x_[m * kCols], kCols, &codes_[m * kCols]);
  }
}

void DenseProblem::run(const FloatKernels& kernels, const std::byte* weights, std::size_t tokens,
                       ThreadPool& pool) {
  const auto kernel = dense_kernel(kernels, dtype_);
  pool.parallel_for(kRows, 8, [&](std::size_t begin, std::size_t end, unsigned) {
    kernel({.weights = weights,
            .weight_stride = stride_,
            .cols = kCols,
            .x = x_.data(),
            .x_stride = kCols,
            .tokens = tokens,
            .row_begin = begin,
            .row_end = end,
            .out = out_.data(),
            .out_stride = kRows,
            .codes = codes_.data(),
            .codes_stride = kCols,
            .code_scales = scales_.data()});
  });
}

std::size_t DenseProblem::check(std::string_view kernel, const FloatKernels& kernels, std::size_t tokens,
                                ThreadPool& pool) {
  std::ranges::fill(out_, std::numeric_limits<float>::quiet_NaN());
  run(kernels, stored_.data(), tokens, pool);
  std::vector<float> found, expected;
  for (std::size_t m = 0; m < tokens; ++m) {
    for (std::size_t r = 0; r < kRows; r += kCheckedRowStep) {
      found.push_back(out_[m * kRows + r]);
      expected.push_back(
          takes_codes16(dtype_)
              ? reference::block_dot(dtype_, &stored_[r * stride_], &codes_[m * kCols], kCols) * scales_[m]
              : reference::dot(decoded_[r % kDistinctRows].data(), &x_[m * kCols], kCols));
    }
  }
  return check_floats(kernel, found, expected);
}

void measure_type(const KernelBenchOptions& options, std::span<const FloatKernels> sets, DType dtype,
                  Machine& machine, const Measure& measure) {
  DenseProblem problem(dtype, std::ranges::max(kTokens));
  Copies copies(machine, problem.stored());
  std::vector<KernelCase> cases;
  for (const FloatKernels& set : sets) {
    for (const std::size_t tokens : kTokens) {
      const std::string kernel = fmt::format("dense_{}-{}", name(dtype), set.isa);
      cases.push_back(
          {.kernel = kernel,
           .shape = fmt::format("{}x{}", kRows, kCols),
           .tokens = tokens,
           .bytes = static_cast<double>(problem.stored().size()),
           .operations = 2.0 * kRows * kCols * static_cast<double>(tokens),
           .peak = find_peak(set.isa, takes_codes16(dtype) ? Operand::Int16 : Operand::Float, tokens),
           .check = [&problem, &set, kernel,
                     tokens](ThreadPool& pool) { return problem.check(kernel, set, tokens, pool); },
           .run = [&problem, &copies, &set,
                   tokens](ThreadPool& pool) { problem.run(set, copies.next(), tokens, pool); }});
      if (!options.all) break;
    }
  }
  measure(cases);
}

}  // namespace

std::vector<KernelGroup> dense_groups(const KernelBenchOptions& options) {
  std::vector<KernelGroup> groups;
  for (const DType dtype : kTypes) {
    const bool quick = dtype == DType::Q8_0 || dtype == DType::F16;
    if (!options.all && options.filter.empty() && !quick) continue;
    const auto sets = wanted_float_kernels(options, fmt::format("dense_{}", name(dtype)));
    if (sets.empty()) continue;
    groups.push_back([options, sets, dtype](Machine& machine, const Measure& measure) {
      measure_type(options, sets, dtype, machine, measure);
    });
  }
  return groups;
}

}  // namespace sterna::cli
