#include "bench/kernels/kernel_bench.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include "bench/rates.hpp"
#include "sterna/error.hpp"

namespace sterna::cli {
namespace {

using Clock = std::chrono::steady_clock;

// A case whose calls are long gets fewer repetitions than asked for, but three: plain C at 256 tokens would
// otherwise take most of the run.
constexpr double kMostSeconds = 0.5;
constexpr unsigned kFewestRepetitions = 3;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Seconds of `calls` calls.
double time_calls(const KernelCase& kernel, ThreadPool& pool, std::size_t calls) {
  const auto begin = Clock::now();
  for (std::size_t i = 0; i < calls; ++i) kernel.run(pool);
  return seconds_since(begin);
}

/// A result that is being measured.
struct Line {
  const KernelCase* kernel;
  std::size_t calls;  ///< in a repetition
  unsigned repetitions;
  KernelResult result;
};

Line begin_line(const KernelCase& kernel, std::string_view family, unsigned threads,
                const KernelBenchOptions& options, Machine& machine) {
  ThreadPool& pool = machine.pool(threads);
  const double share = kernel.each_thread ? threads : 1;
  Line line{&kernel, 1, options.repetitions, {}};
  line.result = {.family = std::string(family),
                 .kernel = kernel.kernel,
                 .shape = kernel.shape,
                 .tokens = kernel.tokens,
                 .threads = threads,
                 .bytes = kernel.bytes * share,
                 .operations = kernel.operations * share,
                 .cached_bytes = kernel.cached_bytes * share,
                 .peak = kernel.peak,
                 .compared = kernel.check(pool)};
  const double once = std::max(time_calls(kernel, pool, 1), 1e-9);
  line.calls = static_cast<std::size_t>(std::max(1.0, options.slice_seconds / once));
  if (once * options.repetitions > kMostSeconds) {
    line.repetitions = std::min(options.repetitions, kFewestRepetitions);
  }
  return line;
}

/// The line of a case on as many threads; null where there is none of that name.
const Line* line_of(const std::vector<Line>& lines, std::string_view kernel, unsigned threads) {
  for (const Line& line : lines) {
    if (line.kernel->kernel == kernel && line.result.threads == threads) return &line;
  }
  return nullptr;
}

/// Times the cases of a group, which take turns, and adds their results.
void measure_group(std::span<const KernelCase> cases, std::string_view family,
                   const KernelBenchOptions& options, Machine& machine, KernelReport& report) {
  std::vector<Line> lines;
  std::set<const PeakProbe*> peaks;
  for (const KernelCase& kernel : cases) {
    if (kernel.peak != nullptr) peaks.insert(kernel.peak);
    for (const unsigned threads : options.threads) {
      lines.push_back(begin_line(kernel, family, threads, options, machine));
    }
  }
  MachineRates rates = machine.rates(std::vector<const PeakProbe*>(peaks.begin(), peaks.end()));
  for (unsigned round = 0; round < options.repetitions; ++round) {
    machine.measure(rates);
    for (Line& line : lines) {
      if (round >= line.repetitions) continue;
      ThreadPool& pool = machine.pool(line.result.threads);
      line.result.call_rates.push_back(static_cast<double>(line.calls) /
                                       time_calls(*line.kernel, pool, line.calls));
    }
  }
  for (Line& line : lines) {
    if (const Line* copy = line_of(lines, line.kernel->copy, line.result.threads)) {
      line.result.copy_rate = copy->result.cached_bytes * median(copy->result.call_rates);
    }
    if (const Line* scalar = line_of(lines, line.kernel->scalar, line.result.threads)) {
      line.result.scalar_call_rate = median(scalar->result.call_rates);
    }
  }
  for (Line& line : lines) report.results.push_back(std::move(line.result));
  report.machine.append(rates);
}

}  // namespace

KernelReport bench_kernels(const KernelBenchOptions& options, const Progress& progress) {
  const auto begin = Clock::now();
  struct Named {
    std::string_view family;
    KernelGroup group;
  };
  std::vector<Named> groups;
  for (const KernelFamily& family : kernel_families()) {
    for (KernelGroup& group : family.groups(options)) groups.push_back({family.name, std::move(group)});
  }
  if (groups.empty()) {
    throw Error(ErrorCategory::InvalidArgument, "no kernel of that name runs here (see: sterna devices)",
                {{"found", options.filter}});
  }
  Machine machine(options.threads);
  KernelReport report;
  report.bandwidth_buffer = machine.memory().size();
  report.machine = machine.rates(supported_probes());
  for (unsigned i = 0; i < options.repetitions; ++i) machine.measure(report.machine);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (progress) progress(i, groups.size(), groups[i].family);
    groups[i].group(machine, [&](std::span<const KernelCase> cases) {
      measure_group(cases, groups[i].family, options, machine, report);
    });
  }
  // Medians of the whole run: a slow spell of a second may hit the few rounds of one group.
  for (KernelResult& result : report.results) {
    result.bandwidth = report.machine.bandwidth(result.threads);
    if (result.peak != nullptr) result.peak_rate = report.machine.peak(*result.peak, result.threads);
  }
  report.seconds = seconds_since(begin);
  return report;
}

}  // namespace sterna::cli
