#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "kernels/kernel_table.hpp"
#include "model/packing_choice.hpp"
#include "packing/registry.hpp"
#include "platform/cpu.hpp"
#include "sterna/backend.hpp"
#include "sterna/pressure.hpp"
#include "support/options.hpp"
#include "support/output.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Args {
  BackendArgs backend;
  bool measure = false;
  bool json = false;
};

using Choices = std::vector<BackendChoice>;

/// Empty when the row can run here.
std::string why_not(CpuFeatures required) {
  const CpuFeatures missing = required & ~cpu_info().features;
  return missing == 0 ? "" : fmt::format("the processor has no {}", fmt::join(feature_names(missing), ", "));
}

Json kernel_row(std::string_view name, std::string_view isa, CpuFeatures required, bool chosen) {
  const std::string reason = why_not(required);
  Json row{{"name", name}, {"isa", isa}, {"available", reason.empty()}, {"chosen", chosen}};
  if (!reason.empty()) row["reason"] = reason;
  return row;
}

bool is_product(const BackendChoice& choice) {
  return choice.operation == Operation::Ternary || choice.operation == Operation::Dense;
}

/// Every packing with its kernels, fastest first, and the one that is taken.
Json packing_report(const Choices& choices) {
  Json report = Json::array();
  for (const Packing& packing : packing_table()) {
    const auto choice = std::ranges::find(choices, packing.dtype, &BackendChoice::dtype);  // for one token
    const TernaryKernel* chosen =
        choice == choices.end() ? nullptr : select_ternary_kernel(packing.dtype, choice->variant);
    Json kernels = Json::array();
    for (const TernaryKernel& row : ternary_kernels()) {
      if (row.packing == packing.dtype) {
        kernels.push_back(kernel_row(row.name, row.isa, row.required, &row == chosen));
      }
    }
    report.push_back({{"packing", name(packing.dtype)},
                      {"bits_per_weight", packing.bits_per_weight},
                      {"kernel", chosen ? Json(chosen->name) : Json(nullptr)},
                      {"kernels", kernels}});
  }
  return report;
}

Json backend_report() {
  Json report = Json::array();
  for (const BackendInfo& backend : backends()) {
    Json row{{"name", backend.name},
             {"priority", backend.priority},
             {"summary", backend.summary},
             {"available", backend.available},
             {"variants", backend.variants}};
    if (!backend.available) row["reason"] = backend.reason;
    if (backend.capabilities) {
      row["read_bytes_per_second"] = backend.capabilities->read_bytes;
      row["integer_ops_per_second"] = backend.capabilities->integer_ops;
      row["float_ops_per_second"] = backend.capabilities->float_ops;
    }
    report.push_back(row);
  }
  return report;
}

Json choice_report(const Choices& choices) {
  Json report = Json::array();
  for (const BackendChoice& choice : choices) {
    Json row{{"operation", to_string(choice.operation)}};
    if (is_product(choice)) row["type"] = name(choice.dtype);
    row.update({{"batch", to_string(choice.batch)},
                {"backend", choice.backend},
                {"variant", choice.variant},
                {"why", choice.why}});
    report.push_back(row);
  }
  return report;
}

Json pressure_report() {
  const PressureReport pressure = PressureMonitor().poll();
  Json sources = Json::array();
  for (const PressureSource& source : pressure.sources) {
    Json row{{"name", source.name}, {"level", to_string(source.level)}, {"share", source.share}};
    if (source.limit > 0) row.update({{"used_bytes", source.used}, {"limit_bytes", source.limit}});
    sources.push_back(row);
  }
  return {{"level", to_string(pressure.level)}, {"sources", sources}};
}

Json report_of(const Args& args) {
  const CpuInfo& cpu = cpu_info();
  Json caches = Json::array();
  for (const CpuCache& cache : cpu.caches) {
    caches.push_back({{"level", cache.level}, {"bytes", cache.bytes}, {"shared_by", cache.shared_by}});
  }
  if (args.measure) {
    for (const BackendInfo& backend : backends()) {
      if (backend.available) measure_capabilities(backend.name);
    }
  }
  const Choices choices = choose_backends({.backend = args.backend.backend, .kernel = args.backend.kernel});
  Json floats = Json::array();
  for (const FloatKernels& row : float_kernels()) {
    const bool chosen = std::ranges::any_of(choices, [&](const BackendChoice& choice) {
      return choice.operation != Operation::Ternary && choice.variant == row.isa;
    });
    floats.push_back(kernel_row(row.isa, row.isa, row.required, chosen));
  }
  return {{"processor", cpu.name},
          {"packages", cpu.packages},
          {"physical_cores", cpu.physical_cores},
          {"logical_cores", cpu.logical_cores},
          {"numa_nodes", cpu.numa_nodes},
          {"memory_bytes", cpu.memory_bytes},
          {"memory_pressure", pressure_report()},
          {"features", feature_names(cpu.features)},
          {"caches", caches},
          {"backends", backend_report()},
          {"choices", choice_report(choices)},
          {"packings", packing_report(choices)},
          {"remembered", remembered_layouts(packing_cache())},
          {"float_kernels", floats}};
}

std::string state(const Json& kernel) {
  if (kernel["chosen"]) return "chosen";
  return kernel["available"] ? "available" : kernel["reason"].get<std::string>();
}

/// "21.3 GB/s", or nothing where it was not measured.
std::string giga(const Json& row, const char* key, std::string_view unit) {
  return row.contains(key) ? format_rate(row[key].get<double>() * 1e-9) + " " + std::string(unit) : "";
}

void write_backends(const Json& rows) {
  Table table({"backend", "priority", "kernels", "memory", "integers", "floats", "state"}, "lrlrrr");
  bool measured = true;
  for (const Json& row : rows) {
    const bool available = row["available"];
    measured &= !available || row.contains("read_bytes_per_second");
    table.add({row["name"], std::to_string(row["priority"].get<int>()),
               fmt::format("{}", fmt::join(row["variants"].get<std::vector<std::string>>(), ", ")),
               giga(row, "read_bytes_per_second", "GB/s"), giga(row, "integer_ops_per_second", "Gop/s"),
               giga(row, "float_ops_per_second", "Gop/s"),
               available ? "available" : row["reason"].get<std::string>()});
  }
  write_out(table.str());
  if (!measured) write_out("memory, integers and floats: sterna devices --measure\n");
  write_out("\n");
}

void add_once(std::vector<std::string>& names, std::string name) {
  if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
}

/// One line for what was chosen for the same reason.
void write_choices(const Json& rows) {
  struct Line {
    std::string operation, chosen, why;
    std::vector<std::string> types, batches;
  };
  std::vector<Line> lines;
  for (const Json& row : rows) {
    Line line{row["operation"],
              fmt::format("{}/{}", row["backend"].get<std::string>(), row["variant"].get<std::string>()),
              row["why"],
              {},
              {}};
    const auto same = std::ranges::find_if(lines, [&](const Line& other) {
      return other.operation == line.operation && other.chosen == line.chosen && other.why == line.why;
    });
    Line& into = same == lines.end() ? lines.emplace_back(std::move(line)) : *same;
    if (row.contains("type")) add_once(into.types, row["type"]);
    add_once(into.batches, row["batch"]);
  }
  Table table({"operation", "weights", "tokens", "computed by", "why"});
  for (const Line& line : lines) {
    const bool all = line.types.empty() ? line.operation != "attention" || line.batches.size() == 3
                                        : line.batches.size() == 3;
    table.add({line.operation, fmt::format("{}", fmt::join(line.types, ", ")),
               all ? "any" : fmt::format("{}", fmt::join(line.batches, ", ")), line.chosen, line.why});
  }
  write_out(table.str() + "\n");
}

void write_text(const Json& report) {
  const CpuInfo& cpu = cpu_info();
  write_out(fmt::format("processor  {}\n", cpu.name));
  write_out(fmt::format("cores      {} physical, {} logical, {} package{}, {} NUMA node{}\n",
                        cpu.physical_cores, cpu.logical_cores, cpu.packages, cpu.packages == 1 ? "" : "s",
                        cpu.numa_nodes, cpu.numa_nodes == 1 ? "" : "s"));
  std::string caches;
  for (const CpuCache& cache : cpu.caches) {
    caches += fmt::format("{}L{} {:.0f} KiB (shared by {})", caches.empty() ? "" : ", ", cache.level,
                          static_cast<double>(cache.bytes) / 1024, cache.shared_by);
  }
  write_out(fmt::format("caches     {}\n", caches));
  write_out(fmt::format("memory     {}\n", format_bytes(cpu.memory_bytes)));
  std::string sources;
  for (const Json& source : report["memory_pressure"]["sources"]) {
    sources += fmt::format("{}{} {:.1f} %", sources.empty() ? "" : ", ", source["name"].get<std::string>(),
                           100 * source["share"].get<double>());
  }
  write_out(
      fmt::format("pressure   {} ({})\n", report["memory_pressure"]["level"].get<std::string>(), sources));
  write_out(fmt::format("features   {}\n\n", fmt::join(feature_names(cpu.features), ", ")));

  write_backends(report["backends"]);
  write_choices(report["choices"]);
  Table table({"weights", "bits", "kernel", "instructions", "state"}, "lr");
  for (const Json& packing : report["packings"]) {
    const auto& kernels = packing["kernels"];
    const auto title = packing["packing"].get<std::string>();
    const auto bits = fmt::format("{:.2f}", packing["bits_per_weight"].get<double>());
    if (kernels.empty()) table.add({title, bits, "none", "", "repacked when loaded"});
    for (const Json& kernel : kernels) {
      table.add({title, bits, kernel["name"], kernel["isa"], state(kernel)});
    }
  }
  for (const Json& kernel : report["float_kernels"]) {
    table.add({"floats", "", kernel["name"], kernel["isa"], state(kernel)});
  }
  write_out(table.str());
  for (const Json& line : report["remembered"]) {
    write_out(fmt::format("\npacking    {}", line.get<std::string>()));
  }
  if (!report["remembered"].empty()) write_out("\n");
}

}  // namespace

Action setup_devices(CLI::App& app) {
  auto args = std::make_shared<Args>();
  add_backend_options(app, args->backend);
  app.add_flag("--measure", args->measure, "Measure what each backend reads and computes, and remember it");
  add_json_flag(app, args->json);
  std::string strategies;
  for (const StrategyInfo& strategy : backend_strategies()) {
    strategies += fmt::format("  {:<17} {}\n", strategy.name, strategy.summary);
  }
  app.footer(
      "The available backend of the highest priority computes everything, in the first of its kernels that "
      "the\n"
      "processor can run. --backend NAME or STERNA_BACKEND=NAME takes another, or another way to choose:\n" +
      strategies +
      "--kernel or STERNA_KERNEL=NAME takes an instruction set. Results are the same bits whatever is "
      "chosen.\n"
      "Lines of packing are what --pack auto has measured on this machine, and remembers.\n\n"
      "Examples:\n"
      "  sterna devices\n"
      "  sterna devices --measure\n"
      "  sterna devices --backend best-performance\n"
      "  sterna devices --kernel generic\n"
      "  sterna devices --json");
  return [args] {
    const Json report = report_of(*args);
    if (args->json) {
      write_json(report);
    } else {
      write_text(report);
    }
    return kSuccess;
  };
}

}  // namespace sterna::cli
