// The coarse product of a screened head at the shape of a 2B model's, with fewer rows.
#include <fmt/format.h>

#include <vector>

#include "bench.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/screen_kernels.hpp"

namespace sterna::bench {
namespace {

constexpr std::size_t kRows = 16384;
constexpr std::size_t kCols = 2560;
constexpr std::size_t kStride = kCols / 2 + screen_multipliers(kCols);

void run(benchmark::State& state, const ScreenKernel& row) {
  Random random(1);
  const auto small = [&](int range) { return static_cast<int>(random() >> 8) % range; };
  std::vector<std::byte> codes(kRows * kStride);
  for (std::size_t r = 0; r < kRows; ++r) {
    std::byte* at = codes.data() + r * kStride;
    for (std::size_t i = 0; i < kCols / 2; ++i) at[i] = static_cast<std::byte>(small(256));
    for (std::size_t b = 0; b < kCols / kScreenBlock; ++b) {
      at[kCols / 2 + b] = static_cast<std::byte>(small(kMostMultiplier + 1));
    }
  }
  std::vector<std::int8_t> high(kCols), low(kCols);
  std::vector<std::int16_t> high_sums(screen_multipliers(kCols)), low_sums(screen_multipliers(kCols));
  const auto at = [](std::size_t k) { return k / 32 % 2 * (kCols / 2) + k / 64 * 32 + k % 32; };
  for (std::size_t k = 0; k < kCols; ++k) {
    high[at(k)] = static_cast<std::int8_t>(small(255) - 127);
    low[at(k)] = static_cast<std::int8_t>(small(255) - 127);
    high_sums[k / 32] = static_cast<std::int16_t>(high_sums[k / 32] + high[at(k)]);
    low_sums[k / 32] = static_cast<std::int16_t>(low_sums[k / 32] + low[at(k)]);
  }
  std::vector<std::int64_t> out(kRows);
  const auto multiply = [&](const std::byte* from) {
    pool().parallel_for(kRows, 8, [&](std::size_t begin, std::size_t end, unsigned) {
      row.run({.rows = reinterpret_cast<const std::uint8_t*>(from),
               .stride = kStride,
               .cols = kCols,
               .high = high.data(),
               .low = low.data(),
               .high_sums = high_sums.data(),
               .low_sums = low_sums.data(),
               .row_begin = begin,
               .row_end = end,
               .out = out.data() + begin});
    });
  };

  multiply(codes.data());
  for (std::size_t r = 0; r < kRows; r += 101) {
    const std::byte* from = codes.data() + r * kStride;
    std::int64_t expected = 0;
    for (std::size_t k = 0; k < kCols; ++k) {
      const auto pair = static_cast<int>(from[k / 64 * 32 + k % 32]);
      const auto multiplier = static_cast<std::int64_t>(from[kCols / 2 + k / 32]);
      expected += multiplier * (2 * (k % 64 < 32 ? pair & 15 : pair >> 4) - 15) *
                  (kScreenBase * high[at(k)] + low[at(k)]);
    }
    if (out[r] == expected) continue;
    fail(fmt::format("screen-{}", row.isa), fmt::format("row {}: {} for {}", r, out[r], expected));
  }

  Copies copies(codes);
  for (auto _ : state) multiply(copies.next());
  report(state, static_cast<double>(codes.size()), 4.0 * kRows * kCols);  // both halves of the activations
}

}  // namespace

void register_screen() {
  for (const ScreenKernel& row : screen_kernels()) {
    if (!supported(row.required)) continue;
    const auto label = fmt::format("screen-{}/{}x{}", row.isa, kRows, kCols);
    benchmark::RegisterBenchmark(label.c_str(), [&row](benchmark::State& state) {
      run(state, row);
    })->UseRealTime();
  }
}

}  // namespace sterna::bench
