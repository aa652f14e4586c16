// The element-wise operations of a layer, on one thread: what they cost beside the products.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <vector>

#include "bench.hpp"
#include "kernels/kernel_table.hpp"

namespace sterna::bench {
namespace {

constexpr std::size_t kWidth = 6912;  // the widest activations of a 2B model

/// Inputs and outputs that the operations share; what each leaves in `out` is compared with the generic row.
struct Arrays {
  Arrays() {
    Random random(1);
    std::normal_distribution<float> normal;
    for (auto* values : {&a, &b}) {
      for (float& v : *values) v = normal(random);
    }
    for (auto& v : ints) v = static_cast<std::int32_t>(random() % 100000);
  }
  std::vector<float> a = std::vector<float>(kWidth);
  std::vector<float> b = std::vector<float>(kWidth);
  std::vector<std::int32_t> ints = std::vector<std::int32_t>(kWidth);
  std::vector<float> out = std::vector<float>(kWidth);
};

struct Operation {
  std::string name;
  double bytes;  ///< read
  std::function<void(const FloatKernels&, Arrays&)> run;
};

std::vector<Operation> operations() {
  std::vector<Operation> list = {
      {"rms_norm", 8 * kWidth,
       [](auto& k, auto& v) { k.rms_norm(v.a.data(), v.b.data(), 1e-5f, kWidth, v.out.data()); }},
      {"quantize", 4 * kWidth,
       [](auto& k, auto& v) {
         const auto result =
             k.quantize(v.a.data(), kWidth, kWidth, reinterpret_cast<std::int8_t*>(v.out.data()));
         v.out[kWidth - 1] = result.scale + static_cast<float>(result.sum);
       }},
      {"silu_mul", 8 * kWidth,
       [](auto& k, auto& v) { k.silu_mul(v.a.data(), v.b.data(), kWidth, v.out.data()); }},
      {"relu2_mul", 8 * kWidth,
       [](auto& k, auto& v) { k.relu2_mul(v.a.data(), v.b.data(), kWidth, v.out.data()); }},
      {"gelu_mul", 8 * kWidth,
       [](auto& k, auto& v) { k.gelu_mul(v.a.data(), v.b.data(), kWidth, v.out.data()); }},
      {"scale_rows", 4 * kWidth,
       [](auto& k, auto& v) {
         k.scale_rows(v.ints.data(), 12.5f, 0.1f, nullptr, nullptr, kWidth, v.out.data());
       }},
  };
  return list;
}

void run(benchmark::State& state, const FloatKernels& row, const Operation& operation) {
  const FloatKernels kernels = select_float_kernels(row.isa);
  Arrays arrays;
  operation.run(select_float_kernels("generic"), arrays);
  const std::vector<float> expected = arrays.out;
  std::fill(arrays.out.begin(), arrays.out.end(), 0.0f);
  operation.run(kernels, arrays);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (std::bit_cast<std::uint32_t>(arrays.out[i]) == std::bit_cast<std::uint32_t>(expected[i])) continue;
    fail(operation.name, fmt::format("element {}: {} for {}", i, arrays.out[i], expected[i]));
  }
  for (auto _ : state) {
    operation.run(kernels, arrays);
    benchmark::ClobberMemory();
  }
  report(state, operation.bytes, 0);
}

}  // namespace

void register_float_ops() {
  for (const FloatKernels& row : float_kernels()) {
    if (!supported(row.required) || row.add == nullptr) continue;  // a row without slots runs the next one's
    for (const Operation& operation : operations()) {
      benchmark::RegisterBenchmark(
          fmt::format("{}-{}", operation.name, row.isa).c_str(),
          [&row, operation](benchmark::State& state) { run(state, row, operation); });
    }
  }
}

}  // namespace sterna::bench
