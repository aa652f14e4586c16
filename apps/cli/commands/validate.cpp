#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "backend/dispatch.hpp"
#include "command.hpp"
#include "platform/atomic_file.hpp"
#include "platform/cpu.hpp"
#include "sterna/version.hpp"
#include "support/bundled_model.hpp"
#include "support/openblas.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "support/progress.hpp"
#include "tensor/ops/measure.hpp"
#include "validate/measures.hpp"
#include "validate/report.hpp"

namespace sterna::cli {
namespace {

struct Args {
  bool quick = false;
  bool json = false;
  std::string html;
  std::vector<std::string> only;
  unsigned threads = 0;
  std::string memory_probe;
};

void write_html(const std::string& path, const std::string& page) {
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(page)));
  file.commit();
}

/// For baselines that are as fast as they can be, and all there.
Settings settings_for(bool allocation) {
  Settings settings = openblas_settings();
#if !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)  // the sanitizer's allocator is everybody's
  if (allocation)
    settings.emplace_back("GLIBC_TUNABLES", "glibc.rtld.optional_static_tls=16384");  // for jemalloc
#else
  static_cast<void>(allocation);
#endif
  return settings;
}

int run(const Args& args) {
  if (!args.memory_probe.empty()) return run_memory_probe(args.memory_probe);
  const auto measures = [&](std::string_view id) {
    return args.only.empty() || std::ranges::find(args.only, id) != args.only.end();
  };
  restart_with(settings_for(measures("allocation")));
  const auto begin = std::chrono::steady_clock::now();
  const CpuInfo& cpu = cpu_info();
  ValidateOptions options{args.quick, args.threads ? args.threads : cpu.physical_cores, bundled_model()};
  std::vector<Judged> judged;
  bool broken = false;
  for (const Promise& promise : promises()) {
    if (!measures(promise.id)) continue;
    ProgressBar bar;
    judged.push_back({&promise, promise.measure(options, bar.callback(promise.title))});
    broken |= judged.back().result.verdict == Verdict::Broken;
  }
  ValidateSetting setting;
  setting.version = STERNA_VERSION;
  setting.processor = cpu.name;
  setting.cores = cpu.physical_cores;
  setting.threads = options.threads;
  setting.quick = args.quick;
  setting.kernels =
      fmt::format("{}, tensor operations {}", ternary_kernel(make_dispatch({}).of(1), DType::I2_S)->name,
                  ops::simd_target());
  setting.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (args.json) {
    write_json(json_report(setting, judged));
  } else {
    write_out(text_report(setting, judged));
  }
  if (!args.html.empty()) write_html(args.html, html_report(setting, judged));
  return kSuccess;
}

}  // namespace

Action setup_validate(CLI::App& app) {
  auto args = std::make_shared<Args>();
  std::vector<std::string> ids;
  for (const Promise& promise : promises()) ids.emplace_back(promise.id);
  app.add_flag("--quick", args->quick, "Fewer repetitions and shapes");
  app.add_option("--html", args->html, "Write the report as one page, too")->option_text("FILE");
  app.add_option("--only", args->only, fmt::format("Measure these alone: {}", fmt::join(ids, ", ")))
      ->option_text("NAME,…")
      ->delimiter(',')
      ->check(CLI::IsMember(ids));
  app.add_option("--memory-probe", args->memory_probe)->group("");  // what the memory promise starts
  add_threads_option(app, args->threads);
  add_json_flag(app, args->json);
  app.footer(
      "Measures what Sterna promises on this machine, and says of each promise whether it is kept, against\n"
      "what it was measured and in which cases. A promise that is not kept is shown as broken; the exit "
      "code\n"
      "is 0 all the same, for the measuring went well. Other work on the machine disturbs it. --quick\n"
      "takes seconds.\n\n"
      "Examples:\n"
      "  sterna validate --quick\n"
      "  sterna validate --html report.html\n"
      "  sterna validate --only allocation,memory --json");
  return [args] { return run(*args); };
}

}  // namespace sterna::cli
