// Times every kernel of the tables that this processor can run, after comparing its results with the
// reference.
//
//   kernels_bench [--threads N] [Google Benchmark's options, such as --benchmark_filter=i2_s]
#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

#include "bench.hpp"
#include "platform/cpu.hpp"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--threads" && i + 1 < argc) {
      sterna::bench::set_threads(static_cast<unsigned>(std::strtoul(argv[++i], nullptr, 10)));
    } else {
      fmt::print(stderr, "unknown option: {}\n", argv[i]);
      return 1;
    }
  }
  fmt::print(stderr, "{}, {} of {} cores\n", sterna::cpu_info().name, sterna::bench::pool().size(),
             sterna::cpu_info().physical_cores);
  sterna::bench::register_reading();
  sterna::bench::register_ternary();
  sterna::bench::register_dense();
  sterna::bench::register_screen();
  sterna::bench::register_attention();
  sterna::bench::register_float_ops();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
