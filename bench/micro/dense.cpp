// Dense products at the shape of a 2B model's head, with fewer rows: one token and a few.
#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <vector>

#include "base/checked.hpp"
#include "bench.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/reference.hpp"
#include "tensor/dequantize.hpp"

namespace sterna::bench {
namespace {

constexpr std::size_t kRows = 16384;
constexpr std::size_t kCols = 2560;
constexpr std::size_t kTokens[] = {1, 16};
constexpr std::size_t kDistinctRows = 32;  // the rest repeat them: quantising takes longer than the benchmark

void run(benchmark::State& state, const FloatKernels& row, DType dtype, std::size_t tokens) {
  const FloatKernels kernels = select_float_kernels(row.isa);
  const auto kernel = dense_kernel(kernels, dtype);
  const std::size_t stride = *storage_bytes(dtype, 1, kCols);
  Random random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(kCols);
  std::vector<std::byte> stored(kRows * stride);
  std::vector<std::vector<float>> decoded;
  for (std::size_t r = 0; r < kRows; ++r) {
    std::byte* at = stored.data() + r * stride;
    if (r < kDistinctRows) {
      for (float& v : values) v = normal(random);
      quantize_row(dtype, values.data(), kCols, at);
      decoded.emplace_back(kCols);
      dequantize_row(dtype, at, kCols, decoded.back().data());
    } else {
      std::memcpy(at, stored.data() + r % kDistinctRows * stride, stride);
    }
  }
  std::vector<float> x(tokens * kCols);
  for (float& v : x) v = normal(random);
  std::vector<std::int16_t> codes(tokens * kCols);
  std::vector<float> scales(tokens);
  for (std::size_t m = 0; m < tokens; ++m) {
    scales[m] = kernels.quantize16(&x[m * kCols], kCols, &codes[m * kCols]);
  }
  std::vector<float> out(tokens * kRows);
  const auto multiply = [&](const std::byte* weights) {
    pool().parallel_for(kRows, 8, [&](std::size_t begin, std::size_t end, unsigned) {
      kernel({weights, stride, kCols, x.data(), kCols, tokens, begin, end, out.data(), kRows, codes.data(),
              kCols, scales.data()});
    });
  };

  multiply(stored.data());
  for (std::size_t m = 0; m < tokens; ++m) {
    for (std::size_t r = 0; r < kRows; r += 101) {
      const float expected =
          takes_codes16(dtype)
              ? reference::block_dot(dtype, &stored[r * stride], &codes[m * kCols], kCols) * scales[m]
              : reference::dot(decoded[r % kDistinctRows].data(), &x[m * kCols], kCols);
      const float found = out[m * kRows + r];
      if (std::bit_cast<std::uint32_t>(found) == std::bit_cast<std::uint32_t>(expected)) continue;
      fail(fmt::format("dense_{}-{}", name(dtype), row.isa),
           fmt::format("token {} row {}: {} for {}", m, r, found, expected));
    }
  }

  Copies weights(stored);
  for (auto _ : state) multiply(weights.next());
  report(state, static_cast<double>(stored.size()), 2.0 * kRows * kCols * static_cast<double>(tokens));
}

}  // namespace

void register_dense() {
  for (const FloatKernels& row : float_kernels()) {
    if (!supported(row.required) || row.add == nullptr) continue;  // a row without slots runs the next one's
    for (const DType dtype : {DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q6_K, DType::Q4_0}) {
      for (const std::size_t tokens : kTokens) {
        const auto label =
            fmt::format("dense_{}-{}/{}x{}/tokens:{}", name(dtype), row.isa, kRows, kCols, tokens);
        benchmark::RegisterBenchmark(label.c_str(), [&row, dtype, tokens](benchmark::State& state) {
          run(state, row, dtype, tokens);
        })->UseRealTime();
      }
    }
  }
}

}  // namespace sterna::bench
