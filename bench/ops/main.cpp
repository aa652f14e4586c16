// Times the element-wise loops of tensors: vectors against the same loops one element at a time, on one
// thread, in cache.
//
//   ops_bench [--all] [--seconds S]     S: for each line, 0.06 unless said
//
// Without --all only the operations of the promise are timed: F32, in the first and the second level of
// cache.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "platform/cpu.hpp"
#include "tensor/ops/measure.hpp"

namespace {

using sterna::DType;

// Working sets that fit the caches of every processor of the last ten years with room to spare.
constexpr std::size_t kFirstLevel = std::size_t{24} << 10;
constexpr std::size_t kSecondLevel = std::size_t{192} << 10;

sterna::ops::LoopComparison line(std::string_view operation, DType type, std::size_t bytes, double seconds) {
  const auto c = sterna::ops::compare_loops(operation, type, bytes, seconds);
  const auto spread = [](const sterna::ops::Timing& t) { return 100 * (t.high - t.low) / t.median; };
  fmt::print("{:<15} {:<5} {:>4} KiB {:>9.3f} {:>3.0f}% {:>9.3f} {:>3.0f}% {:>7.2f}  {}\n", operation,
             name(type), bytes >> 10, c.scalar.median, spread(c.scalar), c.simd.median, spread(c.simd),
             c.ratio(), c.equal ? "equal" : "DIFFERENT");
  return c;
}

}  // namespace

int main(int argc, char** argv) {
  bool all = false;
  double seconds = 0.06;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--all") {
      all = true;
    } else if (std::string_view(argv[i]) == "--seconds" && i + 1 < argc) {
      seconds = std::strtod(argv[++i], nullptr);
    } else {
      fmt::print(stderr, "unknown option: {}\n", argv[i]);
      return 1;
    }
  }
  fmt::print("{}, {}\n", sterna::cpu_info().name, sterna::ops::simd_target());
  fmt::print("{:<15} {:<5} {:>8} {:>14} {:>14} {:>7}  results\n", "operation", "dtype", "in cache",
             "scalar ns", "SIMD ns", "ratio");
  std::vector<double> ratios;
  bool equal = true;
  for (const std::string_view operation : sterna::ops::promised_operations()) {
    for (const std::size_t bytes : {kFirstLevel, kSecondLevel}) {
      const auto c = line(operation, DType::F32, bytes, seconds);
      ratios.push_back(c.ratio());
      equal &= c.equal;
    }
  }
  std::sort(ratios.begin(), ratios.end());
  fmt::print("median of the above {:.2f}, from {:.2f} to {:.2f}\n", (ratios[4] + ratios[5]) / 2,
             ratios.front(), ratios.back());
  if (all) {
    for (const std::string_view operation : sterna::ops::comparable_operations()) {
      for (int type = 0; type <= static_cast<int>(DType::Bool); ++type) {
        if (!sterna::ops::comparable(operation, static_cast<DType>(type))) continue;
        equal &= line(operation, static_cast<DType>(type), kFirstLevel, seconds).equal;
      }
    }
  }
  return equal ? 0 : 1;
}
