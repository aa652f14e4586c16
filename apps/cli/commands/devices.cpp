#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "kernels/kernel_table.hpp"
#include "model/packing_choice.hpp"
#include "packing/registry.hpp"
#include "platform/cpu.hpp"
#include "sterna/pressure.hpp"
#include "support/options.hpp"
#include "support/output.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Args {
  std::string kernel;
  bool json = false;
};

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

/// Every packing with its kernels, fastest first, and the one that is taken.
Json packing_report(const std::string& forced) {
  Json report = Json::array();
  for (const Packing& packing : packing_table()) {
    const TernaryKernel* chosen = select_ternary_kernel(packing.dtype, forced);
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
  Json floats = Json::array();
  const std::string_view isa = select_float_kernels(args.kernel).isa;
  for (const FloatKernels& row : float_kernels()) {
    floats.push_back(kernel_row(row.isa, row.isa, row.required, row.isa == isa));
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
          {"packings", packing_report(args.kernel)},
          {"remembered", remembered_layouts(packing_cache())},
          {"float_kernels", floats}};
}

std::string state(const Json& kernel) {
  if (kernel["chosen"]) return "chosen";
  return kernel["available"] ? "available" : kernel["reason"].get<std::string>();
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
  app.add_option("--kernel", args->kernel, "Choose as if this kernel or instruction set were asked for")
      ->option_text("NAME");
  add_json_flag(app, args->json);
  app.footer(
      "The first row of a packing that the processor can run is chosen; STERNA_KERNEL=NAME or --kernel NAME\n"
      "takes another. Lines of packing are what --pack auto has measured on this machine, and remembers.\n\n"
      "Examples:\n"
      "  sterna devices\n"
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
