#include "bench/bench.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "command.hpp"
#include "platform/cpu.hpp"
#include "platform/process_memory.hpp"
#include "sterna/error.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "support/progress.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Args {
  ModelArgs model;
  BenchOptions bench{{128, 512}, {128}, {}, 3, {}};
  bool json = false;
};

std::string_view title(BenchKind kind) {
  return kind == BenchKind::Prompt ? "prompt" : "generate";
}

double lowest(const std::vector<double>& rates) {
  return *std::min_element(rates.begin(), rates.end());
}

double highest(const std::vector<double>& rates) {
  return *std::max_element(rates.begin(), rates.end());
}

/// Sorted, without repeats; for threads 0 stands for the machine's cores, for tokens it leaves the test out.
template <class T>
void tidy(std::vector<T>& values) {
  const std::set<T> sorted(values.begin(), values.end());
  values.assign(sorted.begin(), sorted.end());
}

Json report_of(const Args& args, const Model& model, const BenchReport& report) {
  Json results = Json::array();
  for (const BenchResult& test : report.results) {
    results.push_back({{"test", title(test.kind)},
                       {"tokens", test.tokens},
                       {"threads", test.threads},
                       {"tokens_per_second", median(test.rates)},
                       {"min", lowest(test.rates)},
                       {"max", highest(test.rates)},
                       {"runs", test.rates},
                       {"limit_tokens_per_second", test.limit}});
  }
  Json bandwidths = Json::array();
  for (const BandwidthResult& bandwidth : report.bandwidths) {
    bandwidths.push_back({{"threads", bandwidth.threads},
                          {"bytes_per_second", median(bandwidth.rates)},
                          {"min", lowest(bandwidth.rates)},
                          {"max", highest(bandwidth.rates)}});
  }
  return {{"model", model_path(args.model)},
          {"architecture", model.config().architecture},
          {"parameters", model.parameters()},
          {"bytes_per_token", model.bytes_per_token()},
          {"kernels", model.kernels()},
          {"processor", cpu_info().name},
          {"last_level_cache_bytes", last_level_cache_bytes()},
          {"batch", args.bench.session.batch},
          {"kv", to_string(args.bench.session.kv)},
          {"repetitions", args.bench.repetitions},
          {"verified", true},  // run_bench throws otherwise
          {"results", results},
          {"read_bandwidth", bandwidths},
          {"read_buffer_bytes", report.bandwidth_buffer},
          {"memory_bytes", peak_resident_bytes()}};
}

void write_text(const Args& args, const Model& model, const BenchReport& report) {
  write_out(fmt::format("model    {}: {}, {} parameters, {} read per token\n", model_path(args.model),
                        model.config().architecture, format_count(model.parameters()),
                        format_bytes(model.bytes_per_token())));
  write_out(fmt::format("machine  {}, {} cores\n", cpu_info().name, cpu_info().physical_cores));
  write_out(fmt::format("kernels  {}\n", fmt::join(model.kernels(), ", ")));
  write_out(fmt::format("runs     {} after a warm-up, tests taking turns; output equal in all runs\n\n",
                        args.bench.repetitions));
  Table table({"test", "threads", "tokens/s", "min", "max", "memory limit", "reached"}, "lrrrrrr");
  for (const BenchResult& test : report.results) {
    const double rate = median(test.rates);
    table.add({fmt::format("{} {}", title(test.kind), test.tokens), std::to_string(test.threads),
               format_rate(rate), format_rate(lowest(test.rates)), format_rate(highest(test.rates)),
               format_rate(test.limit), fmt::format("{:.1f} %", 100 * rate / test.limit)});
  }
  write_out(table.str() + "\n");
  for (const BandwidthResult& bandwidth : report.bandwidths) {
    write_out(fmt::format("read bandwidth, {} thread{}: {:.1f} GB/s ({:.1f} to {:.1f}) over {}\n",
                          bandwidth.threads, bandwidth.threads == 1 ? "" : "s", median(bandwidth.rates) / 1e9,
                          lowest(bandwidth.rates) / 1e9, highest(bandwidth.rates) / 1e9,
                          format_bytes(report.bandwidth_buffer)));
  }
  write_out(
      "memory limit: read bandwidth / bytes per token; a prompt reads the weights once per batch, and is\n"
      "bound by arithmetic instead\n");
  if (model.bytes_per_token() < last_level_cache_bytes()) {
    write_out(fmt::format(
        "the weights fit the last-level cache ({}), which is faster than memory: no limit for this model\n",
        format_bytes(last_level_cache_bytes())));
  }
  write_out(fmt::format("memory   {} resident at most, with the read buffer\n",
                        format_bytes(peak_resident_bytes())));
}

int run(Args args) {
  BenchOptions& bench = args.bench;
  for (unsigned& threads : bench.threads) {
    if (threads == 0) threads = cpu_info().physical_cores;
  }
  if (bench.threads.empty()) bench.threads = {cpu_info().physical_cores};
  tidy(bench.threads);
  for (auto* list : {&bench.prompts, &bench.generated}) {
    tidy(*list);
    std::erase(*list, 0u);
  }
  if (bench.prompts.empty() && bench.generated.empty()) {
    throw Error(ErrorCategory::InvalidArgument, "nothing to measure: -p and -n are both 0");
  }
  args.model.threads = bench.threads.back();
  const auto model = load_model(args.model);
  BenchReport report;
  {
    ProgressBar bar;
    report = run_bench(model, bench, bar.callback("measuring"));
  }
  if (args.json) {
    write_json(report_of(args, *model, report));
  } else {
    write_text(args, *model, report);
  }
  return kSuccess;
}

}  // namespace

Action setup_bench(CLI::App& app) {
  auto args = std::make_shared<Args>();
  BenchOptions& bench = args->bench;
  const auto tokens = CLI::Range(0u, 1u << 20);
  app.add_option("-p,--prompt", bench.prompts, "Tokens of the prompts to measure; 0: none (128,512)")
      ->option_text("N,…")
      ->delimiter(',')
      ->check(tokens);
  app.add_option("-n,--generate", bench.generated, "Tokens to generate and measure; 0: none (128)")
      ->option_text("N,…")
      ->delimiter(',')
      ->check(tokens);
  app.add_option("-t,--threads", bench.threads, "Thread counts to compare (one for every physical core)")
      ->option_text("N,…")
      ->delimiter(',')
      ->check(CLI::Range(0u, 1024u));
  app.add_option("-r,--repetitions", bench.repetitions, "Measured runs of each test (3)")
      ->option_text("N")
      ->check(CLI::Range(1u, 1000u));
  app.add_option("--batch", bench.session.batch, "Prompt tokens evaluated together (256)")
      ->option_text("N")
      ->check(CLI::Range(1u, 65536u));
  add_kv_option(app, bench.session.kv);
  add_json_flag(app, args->json);
  add_model_options(app, args->model, ThreadsOption::Leave);
  app.footer(
      "Shows the median, the least and the most tokens per second of the runs after a warm-up, the tests\n"
      "taking turns. Beside each stands the limit that memory sets: this machine's read bandwidth, measured\n"
      "in the same run with the same threads, over the bytes of weights a token needs. Fails when a test's\n"
      "output differs between runs or thread counts.\n\n"
      "Examples:\n"
      "  sterna bench\n"
      "  sterna bench -m model.gguf -p 128,512 -n 128 -t 1,2 -r 5\n"
      "  sterna bench -m model.gguf -p 0 -n 64 --kernel generic --json");
  return [args] { return run(*args); };
}

}  // namespace sterna::cli
