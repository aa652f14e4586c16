// The element-wise operations of a layer, on data in the caches: what they cost beside the products.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "bench/kernels/kernel_case.hpp"
#include "kernels/kernel_table.hpp"

namespace sterna::cli {
namespace {

constexpr std::size_t kWidth = 6912;  // the widest activations of a 2B model

/// Inputs and outputs of one thread.
struct Arrays {
  Arrays() {
    Random random(1);
    std::normal_distribution<float> normal;
    for (auto* values : {&a, &b}) {
      for (float& v : *values) v = normal(random);
    }
    for (auto& v : ints) v = static_cast<std::int32_t>(random() % 100000);
  }
  GateArgs gate() {
    return {.gate = a.data(),
            .gate_stride = kWidth,
            .up = b.data(),
            .up_stride = kWidth,
            .tokens = 1,
            .n = kWidth,
            .out = out.data(),
            .out_stride = kWidth};
  }
  std::vector<float> a = std::vector<float>(kWidth);
  std::vector<float> b = std::vector<float>(kWidth);
  std::vector<std::int32_t> ints = std::vector<std::int32_t>(kWidth);
  std::vector<float> out = std::vector<float>(kWidth + 2);
};

/// What an operation leaves in `out` is compared with what the generic kernel leaves there.
struct Operation {
  std::string_view name;
  void (*run)(const FloatKernels&, Arrays&);
};
constexpr std::array kOperations{
    Operation{"rms_norm", [](const FloatKernels& k,
                             Arrays& v) { k.rms_norm(v.a.data(), v.b.data(), 1e-5f, kWidth, v.out.data()); }},
    Operation{"quantize",
              [](const FloatKernels& k, Arrays& v) {
                const auto result =
                    k.quantize(v.a.data(), kWidth, kWidth, reinterpret_cast<std::int8_t*>(v.out.data()));
                v.out[kWidth] = result.scale;
                v.out[kWidth + 1] = static_cast<float>(result.sum);
              }},
    Operation{"quantize16",
              [](const FloatKernels& k, Arrays& v) {
                v.out[kWidth] =
                    k.quantize16(v.a.data(), kWidth, reinterpret_cast<std::int16_t*>(v.out.data()));
              }},
    Operation{"silu_mul", [](const FloatKernels& k, Arrays& v) { k.silu_mul(v.gate()); }},
    Operation{"relu2_mul", [](const FloatKernels& k, Arrays& v) { k.relu2_mul(v.gate()); }},
    Operation{"gelu_mul", [](const FloatKernels& k, Arrays& v) { k.gelu_mul(v.gate()); }},
    Operation{"scale_rows",
              [](const FloatKernels& k, Arrays& v) {
                const float activation_scale = 12.5f;
                k.scale_rows({.sums = v.ints.data(),
                              .sums_stride = kWidth,
                              .activation_scales = &activation_scale,
                              .weight_scale = 0.1f,
                              .row_scales = nullptr,
                              .bias = nullptr,
                              .tokens = 1,
                              .rows = kWidth,
                              .out = v.out.data(),
                              .out_stride = kWidth});
              }},
};

void measure_operations(const KernelBenchOptions& options, Machine& machine, const Measure& measure) {
  std::vector<Arrays> arrays(machine.threads().back());
  std::vector<KernelCase> cases;
  for (const Operation& operation : kOperations) {
    for (const FloatKernels& set : wanted_float_kernels(options, operation.name)) {
      const std::string kernel = fmt::format("{}-{}", operation.name, set.isa);
      cases.push_back({.kernel = kernel,
                       .shape = std::to_string(kWidth),
                       .each_thread = true,
                       .check =
                           [&arrays, &operation, set, kernel](ThreadPool&) {
                             std::vector<float>& out = arrays.front().out;
                             const auto run = [&](const FloatKernels& kernels) {
                               std::ranges::fill(out, std::numeric_limits<float>::quiet_NaN());
                               operation.run(kernels, arrays.front());
                               return out;
                             };
                             const std::vector<float> expected = run(select_float_kernels("generic"));
                             return check_floats(kernel, run(set), expected);
                           },
                       .run =
                           [&arrays, &operation, set](ThreadPool& pool) {
                             pool.parallel_for(pool.size(), 1,
                                               [&](std::size_t begin, std::size_t end, unsigned) {
                                                 for (std::size_t i = begin; i < end; ++i)
                                                   operation.run(set, arrays[i]);
                                               });
                           }});
    }
  }
  measure(cases);
}

}  // namespace

std::vector<KernelGroup> float_groups(const KernelBenchOptions& options) {
  const bool wanted = std::ranges::any_of(kOperations, [&](const Operation& operation) {
    return !wanted_float_kernels(options, operation.name).empty();
  });
  if (!wanted) return {};
  return {
      [options](Machine& machine, const Measure& measure) { measure_operations(options, machine, measure); }};
}

}  // namespace sterna::cli
