#include "bench/report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "bench/rates.hpp"
#include "bench/roofline.hpp"
#include "platform/cpu.hpp"
#include "platform/process_memory.hpp"
#include "support/options.hpp"
#include "support/output.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Tests beside what memory alone allows.
std::string limits_text(const BenchReport& report) {
  Table table({"test", "threads", "tokens/s", "min", "max", "memory limit", "reached"}, "lrrrrrr");
  for (const BenchResult& test : report.results) {
    const double rate = median(test.rates);
    table.add({title(test), std::to_string(test.threads), format_rate(rate), format_rate(lowest(test.rates)),
               format_rate(highest(test.rates)), format_rate(test.limit),
               fmt::format("{:.1f} %", 100 * rate / test.limit)});
  }
  std::string text = table.str() + "\n";
  for (const MachineRate& row : report.machine.rows) {
    text += fmt::format("read bandwidth, {} thread{}: {:.1f} GB/s ({:.1f} to {:.1f}) over {}\n", row.threads,
                        row.threads == 1 ? "" : "s", median(row.rates) / 1e9, lowest(row.rates) / 1e9,
                        highest(row.rates) / 1e9, format_bytes(report.bandwidth_buffer));
  }
  return text +
         "memory limit: read bandwidth / bytes per token; a prompt reads the weights once per batch, and is\n"
         "bound by arithmetic instead; keys and values are not in it\n";
}

}  // namespace

Json bench_json(const std::string& path, const Model& model, const BenchOptions& options,
                const BenchReport& report) {
  Json results = Json::array();
  for (const BenchResult& test : report.results) {
    Json row{{"test", to_string(test.kind)},
             {"tokens", test.tokens},
             {"depth", test.depth},
             {"threads", test.threads},
             {"tokens_per_second", median(test.rates)},
             {"min", lowest(test.rates)},
             {"max", highest(test.rates)},
             {"runs", test.rates},
             {"limit_tokens_per_second", test.limit}};
    if (options.roofline) {
      row["floor"] = floor_json(floor_of(model, test, options.session, report.machine), test);
    }
    results.push_back(std::move(row));
  }
  Json json{{"model", path},
            {"architecture", model.config().architecture},
            {"parameters", model.parameters()},
            {"bytes_per_token", model.bytes_per_token()},
            {"kernels", model.kernels()},
            {"processor", cpu_info().name},
            {"last_level_cache_bytes", last_level_cache_bytes()},
            {"batch", options.session.batch},
            {"kv", to_string(kv_of(options.session.kv, model))},
            {"repetitions", options.repetitions},
            {"verified", true},  // run_bench throws otherwise
            {"results", results},
            {"read_bandwidth", bandwidth_json(report.machine)},
            {"read_buffer_bytes", report.bandwidth_buffer},
            {"memory_bytes", peak_resident_bytes()}};
  if (options.roofline) json["peaks"] = peaks_json(report.machine);
  return json;
}

std::string bench_text(const std::string& path, const Model& model, const BenchOptions& options,
                       const BenchReport& report) {
  std::string text = fmt::format(
      "model    {}: {}, {} parameters, {} read per token\nmachine  {}, {} cores\nkernels  {}\n"
      "runs     {} after a warm-up, tests taking turns; output equal in all runs\n\n",
      path, model.config().architecture, format_count(model.parameters()),
      format_bytes(model.bytes_per_token()), cpu_info().name, cpu_info().physical_cores,
      fmt::join(model.kernels(), ", "), options.repetitions);
  text += options.roofline ? machine_text(report.machine) + "\n" + floors_text(model, report, options.session)
                           : limits_text(report);
  if (model.bytes_per_token() < last_level_cache_bytes()) {
    text += fmt::format("the weights fit the last-level cache ({}), which is faster than memory: {}\n",
                        format_bytes(last_level_cache_bytes()),
                        options.roofline ? "reading them is not in the floors" : "no limit for this model");
  }
  return text + fmt::format("memory   {} resident at most, with the read buffer\n",
                            format_bytes(peak_resident_bytes()));
}

}  // namespace sterna::cli
