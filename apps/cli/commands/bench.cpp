#include "bench/bench.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "bench/kernels/kernel_bench.hpp"
#include "bench/report.hpp"
#include "command.hpp"
#include "platform/cpu.hpp"
#include "sterna/error.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "support/progress.hpp"

namespace sterna::cli {
namespace {

struct Args {
  ModelArgs model;
  BenchOptions bench{.prompts = {128, 512},
                     .generated = {128},
                     .depths = {},
                     .threads = {},
                     .repetitions = 0,
                     .session = {}};
  bool kernels = false;
  bool quick = false;
  bool json = false;
};

/// Sorted, without repeats.
template <class T>
void tidy(std::vector<T>& values) {
  const std::set<T> sorted(values.begin(), values.end());
  values.assign(sorted.begin(), sorted.end());
}

int run_model(Args& args) {
  BenchOptions& bench = args.bench;
  if (bench.repetitions == 0) bench.repetitions = 3;
  for (auto* list : {&bench.prompts, &bench.generated}) {
    tidy(*list);
    std::erase(*list, 0u);  // leaves the test out
  }
  tidy(bench.depths);
  if (bench.depths.empty()) bench.depths = {0};
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
  const std::string path = model_path(args.model);
  if (args.json) {
    write_json(bench_json(path, *model, bench, report));
  } else {
    write_out(bench_text(path, *model, bench, report));
  }
  return kSuccess;
}

int run_kernels(const Args& args) {
  KernelBenchOptions options = args.quick ? KernelBenchOptions::quick() : KernelBenchOptions{};
  options.threads = args.bench.threads;
  options.filter = args.model.backend.kernel;
  if (args.bench.repetitions != 0) options.repetitions = args.bench.repetitions;
  KernelReport report;
  {
    ProgressBar bar;
    report = bench_kernels(options, bar.callback("measuring"));
  }
  if (args.json) {
    write_json(kernels_json(options, report));
  } else {
    write_out(kernels_text(options, report));
  }
  return kSuccess;
}

int run(Args args) {
  std::vector<unsigned>& threads = args.bench.threads;
  if (threads.empty()) threads = {0};
  for (unsigned& count : threads) {
    if (count == 0) count = cpu_info().physical_cores;
  }
  tidy(threads);
  return args.kernels ? run_kernels(args) : run_model(args);
}

}  // namespace

Action setup_bench(CLI::App& app) {
  auto args = std::make_shared<Args>();
  BenchOptions& bench = args->bench;
  const auto tokens = CLI::Range(0u, 1u << 20);
  auto* prompts =
      app.add_option("-p,--prompt", bench.prompts, "Tokens of the prompts to measure; 0: none (128,512)")
          ->option_text("N,…")
          ->delimiter(',')
          ->check(tokens);
  auto* generated =
      app.add_option("-n,--generate", bench.generated, "Tokens to generate and measure; 0: none (128)")
          ->option_text("N,…")
          ->delimiter(',')
          ->check(tokens);
  auto* depths = app.add_option("-d,--depth", bench.depths,
                                "Tokens in the cache before a test: every test after each of them (0)")
                     ->option_text("N,…")
                     ->delimiter(',')
                     ->check(tokens);
  app.add_option("-t,--threads", bench.threads, "Thread counts to compare (one for every physical core)")
      ->option_text("N,…")
      ->delimiter(',')
      ->check(CLI::Range(0u, 1024u));
  app.add_option("-r,--repetitions", bench.repetitions, "Measured runs of each test (3; of a kernel 5)")
      ->option_text("N")
      ->check(CLI::Range(1u, 1000u));
  auto* batch = app.add_option("--batch", bench.session.batch, "Prompt tokens evaluated together (512)")
                    ->option_text("N")
                    ->check(CLI::Range(1u, 65536u));
  auto* roofline = app.add_flag("--roofline", bench.roofline,
                                "Measure the peaks of arithmetic too, and compare with floors");
  auto* kernels =
      app.add_flag("--kernels", args->kernels,
                   "Measure every kernel that runs here instead; with --kernel NAME some of them");
  kernels->excludes(prompts)->excludes(generated)->excludes(depths)->excludes(batch)->excludes(roofline);
  app.add_flag("--quick", args->quick, "Of --kernels: one shape of each, in seconds")->needs(kernels);
  add_kv_option(app, bench.session.kv);
  add_json_flag(app, args->json);
  add_model_options(app, args->model, ThreadsOption::Leave);
  for (const char* option : {"--kv", "-m"}) kernels->excludes(app.get_option(option));
  app.footer(
      "Shows the median, the least and the most tokens per second of the runs after a warm-up, the tests\n"
      "taking turns. Beside each stands the limit that memory sets: this machine's read bandwidth, measured\n"
      "in the same run with the same threads, over the bytes of weights a token needs. Fails when a test's\n"
      "output differs between runs or thread counts.\n\n"
      "--depth measures after so many tokens: the cache is filled by evaluating random ids, once for each\n"
      "number of threads, which takes as long as a prompt of that length.\n\n"
      "--roofline measures what the processor multiplies and adds at most with each instruction that "
      "kernels\n"
      "use, and shows every test as a share of its floor: the longer of reading and arithmetic, for linear\n"
      "layers, attention and head.\n\n"
      "--kernels needs no model. Every kernel is compared with the reference and then timed at shapes of a\n"
      "2B model: bytes and operations per second, as shares of read bandwidth and peak; the loops of the\n"
      "quantisers beside memcpy and one element at a time (NAME-simd, NAME-scalar). A wrong result is an\n"
      "error. --kernel takes a kernel's name (i2_s-avx2), an operation (dense_q8_0) or an instruction "
      "set.\n\n"
      "With --json, rates are per second and shares are fractions of 1. A result's \"floor\" has its terms "
      "with\n"
      "bytes, operations, instructions and the seconds of each; docs/performance.md describes the fields.\n\n"
      "Examples:\n"
      "  sterna bench\n"
      "  sterna bench -m model.gguf -p 128,512 -n 128 -t 1,2 -r 5 --roofline\n"
      "  sterna bench -m model.gguf -p 0 -n 64 -d 100,4000 --kv int8\n"
      "  sterna bench -m model.gguf -p 0 -n 64 --kernel generic --json\n"
      "  sterna bench --kernels --kernel i2_s -t 1,2");
  return [args] { return run(*args); };
}

}  // namespace sterna::cli
