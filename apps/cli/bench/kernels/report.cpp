// What `bench --kernels` says.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "bench/kernels/kernel_bench.hpp"
#include "bench/rates.hpp"
#include "platform/cpu.hpp"
#include "support/output.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;

double bytes_per_second(const KernelResult& result) {
  return result.bytes * median(result.call_rates);
}
double operations_per_second(const KernelResult& result) {
  return result.operations * median(result.call_rates);
}
double share_of_bandwidth(const KernelResult& result) {
  return bytes_per_second(result) / result.bandwidth;
}
double cached_bytes_per_second(const KernelResult& result) {
  return result.cached_bytes * median(result.call_rates);
}
double share_of_copy(const KernelResult& result) {
  return cached_bytes_per_second(result) / result.copy_rate;
}
double times_scalar(const KernelResult& result) {
  return median(result.call_rates) / result.scalar_call_rate;
}
double share_of_peak(const KernelResult& result) {
  return operations_per_second(result) / result.peak_rate;
}

Json null_unless(bool known, double value) {
  return known ? Json(value) : Json(nullptr);
}

}  // namespace

Json kernels_json(const KernelBenchOptions& options, const KernelReport& report) {
  Json rows = Json::array();
  for (const KernelResult& result : report.results) {
    const bool reads = result.bytes > 0;
    const bool counts = result.operations > 0;
    rows.push_back(
        {{"family", result.family},
         {"kernel", result.kernel},
         {"shape", result.shape},
         {"tokens", result.tokens},
         {"threads", result.threads},
         {"seconds", 1 / median(result.call_rates)},
         {"repetitions", result.call_rates.size()},
         {"spread", spread(result.call_rates)},
         {"bytes_per_second", null_unless(reads, bytes_per_second(result))},
         {"share_of_bandwidth", null_unless(reads, share_of_bandwidth(result))},
         {"operations_per_second", null_unless(counts, operations_per_second(result))},
         {"peak", result.peak ? Json(result.peak->name) : Json(nullptr)},
         {"share_of_peak", null_unless(result.peak != nullptr, share_of_peak(result))},
         {"cached_bytes_per_second", null_unless(result.cached_bytes > 0, cached_bytes_per_second(result))},
         {"share_of_copy", null_unless(result.copy_rate > 0, share_of_copy(result))},
         {"times_scalar", null_unless(result.scalar_call_rate > 0, times_scalar(result))},
         {"compared", result.compared}});
  }
  return {{"processor", cpu_info().name},
          {"last_level_cache_bytes", last_level_cache_bytes()},
          {"repetitions", options.repetitions},
          {"quick", !options.all},
          {"verified", true},  // bench_kernels throws otherwise
          {"kernels", rows},
          {"read_bandwidth", bandwidth_json(report.machine)},
          {"read_buffer_bytes", report.bandwidth_buffer},
          {"peaks", peaks_json(report.machine)},
          {"seconds", report.seconds}};
}

std::string kernels_text(const KernelBenchOptions& options, const KernelReport& report) {
  Table table({"kernel", "shape", "tokens", "threads", "ms", "spread", "GB/s", "of read", "of copy",
               "of scalar", "Gop/s", "of peak", "compared"},
              "llrrrrrrrrrrr");
  const auto percent = [](double share) { return fmt::format("{:.0f} %", 100 * share); };
  for (const KernelResult& result : report.results) {
    const bool reads = result.bytes > 0;
    const bool counts = result.operations > 0;
    table.add({result.kernel, result.shape, std::to_string(result.tokens), std::to_string(result.threads),
               fmt::format("{:.3f}", 1e3 / median(result.call_rates)), percent(spread(result.call_rates)),
               reads                     ? format_rate(bytes_per_second(result) / 1e9)
               : result.cached_bytes > 0 ? format_rate(cached_bytes_per_second(result) / 1e9)
                                         : "",
               reads ? percent(share_of_bandwidth(result)) : "",
               result.copy_rate > 0 ? percent(share_of_copy(result)) : "",
               result.scalar_call_rate > 0 ? fmt::format("{:.1f} x", times_scalar(result)) : "",
               counts ? format_rate(operations_per_second(result) / 1e9) : "",
               result.peak != nullptr ? percent(share_of_peak(result)) : "",
               std::to_string(result.compared)});
  }
  return fmt::format(
      "machine  {}, {} cores\nruns     {}, kernels of a shape and the machine's peaks taking turns; {} in "
      "all\n\n"
      "{}\n{}\n"
      "GB/s: weights or cache read from memory (copies beyond the last-level cache, {}), and their share of\n"
      "plain reading. Gop/s: multiplications and additions, and their share of the peak of the instructions\n"
      "that the kernel is built on. Reading and peaks are medians of the whole run. Plain reading is one "
      "stream\n"
      "a thread: kernels with several can read more.\n"
      "Of loops in the caches, GB/s is what they read and write, beside memcpy doing the same in the same "
      "rounds,\n"
      "and how many times as fast they are as the same loop one element at a time.\n"
      "spread: (most - least) / median. compared: results equal to the reference's, or to the generic "
      "kernel's.\n",
      cpu_info().name, cpu_info().physical_cores, options.repetitions, format_seconds(report.seconds),
      machine_text(report.machine), table.str(), format_bytes(last_level_cache_bytes()));
}

}  // namespace sterna::cli
