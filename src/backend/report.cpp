// The public functions about backends.
#include <cmath>
#include <sstream>

#include <fmt/format.h>

#include "backend/dispatch.hpp"
#include "platform/cpu.hpp"

namespace sterna {
namespace {

std::string capability_key(const Backend& backend, unsigned threads) {
  return measured_key(threads, "capabilities " + std::string(backend.name));
}

std::optional<Capabilities> remembered(const Backend& backend, unsigned threads) {
  const auto line = backend_cache().find(capability_key(backend, threads));
  if (!line) return std::nullopt;
  std::istringstream text(*line);
  Capabilities c;
  std::string rest;
  if (!(text >> c.read_bytes >> c.integer_ops >> c.float_ops) || text >> rest) return std::nullopt;
  for (const double figure : {c.read_bytes, c.integer_ops, c.float_ops}) {
    if (!std::isfinite(figure) || figure <= 0) return std::nullopt;
  }
  return c;
}

}  // namespace

std::vector<BackendInfo> backends() {
  std::vector<BackendInfo> list;
  for (const Backend& row : backend_table()) {
    BackendInfo info{
        std::string(row.name), row.priority, std::string(row.summary), false, row.why_not(), {}, {}};
    info.available = info.reason.empty();
    if (info.available) {
      for (const std::string_view variant : row.variants()) info.variants.emplace_back(variant);
      info.capabilities = remembered(row, cpu_info().physical_cores);
    }
    list.push_back(std::move(info));
  }
  return list;
}

Capabilities measure_capabilities(std::string_view backend, unsigned threads) {
  const Backend& row = find_backend(backend_table(), backend);
  require_available(row);
  Stopwatches stopwatches(threads);
  const Capabilities measured = stopwatches.capabilities(row);
  backend_cache().remember(
      capability_key(row, stopwatches.threads()),
      fmt::format("{:.4g} {:.4g} {:.4g}", measured.read_bytes, measured.integer_ops, measured.float_ops));
  return measured;
}

std::vector<StrategyInfo> backend_strategies() {
  std::vector<StrategyInfo> list;
  for (const Strategy& row : strategy_table())
    list.push_back({std::string(row.name), std::string(row.summary)});
  return list;
}

std::vector<BackendChoice> choose_backends(const BackendOptions& options) {
  return make_dispatch(options).choices;
}

std::vector<BackendChoice> use_backend(const BackendOptions& options) {
  Dispatch dispatch = make_dispatch(options);
  ops::set_elementwise_level(*dispatch.kernels.front().elementwise);
  ops::set_reduction_level(*dispatch.kernels.front().reduction);
  return std::move(dispatch.choices);
}

}  // namespace sterna
