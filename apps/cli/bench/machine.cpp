#include "bench/machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "bench/rates.hpp"
#include "kernels/kernel_table.hpp"
#include "sterna/error.hpp"
#include "support/output.hpp"

namespace sterna::cli {
namespace {

// Long enough that waking the threads is a thousandth, short enough for a dozen probes in every round.
constexpr double kProbeSeconds = 5e-3;
// 2 · 1: the largest code, and a product that keeps float sums exact longest.
constexpr std::int8_t kCode = 2;
constexpr std::int8_t kActivation = 1;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Seconds of `steps` steps on every thread.
double time_probe(const PeakProbe& probe, ThreadPool& pool, std::size_t steps) {
  std::vector<std::uint64_t> results(pool.size());
  const auto begin = Clock::now();
  pool.parallel_for(pool.size(), 1, [&](std::size_t first, std::size_t last, unsigned) {
    for (std::size_t i = first; i < last; ++i) results[i] = probe.run(steps, kCode, kActivation);
  });
  const double seconds = seconds_since(begin);
  for (const std::uint64_t result : results) {
    if (peak_result_right(probe, steps, kCode, kActivation, result)) continue;
    throw Error(ErrorCategory::Internal, "a probe of the processor's peak computes the wrong sum",
                {{"probe", std::string(probe.name)},
                 {"steps", std::to_string(steps)},
                 {"found", std::to_string(result)}});
  }
  return seconds;
}

double measure_peak(const PeakProbe& probe, ThreadPool& pool) {
  std::size_t steps = 256;
  double seconds = time_probe(probe, pool, steps);
  while (seconds < kProbeSeconds && steps < kMostPeakSteps) {
    const double times = std::clamp(1.2 * kProbeSeconds / seconds, 2.0, 64.0);
    steps = std::min(kMostPeakSteps, static_cast<std::size_t>(static_cast<double>(steps) * times));
    seconds = time_probe(probe, pool, steps);
  }
  return 2.0 * static_cast<double>(probe.products * steps * pool.size()) / seconds;
}

std::string_view name(Operand operand) {
  switch (operand) {
    case Operand::Int8:
      return "int8";
    case Operand::Int16:
      return "int16";
    default:
      return "float32";
  }
}

}  // namespace

void MachineRates::append(const MachineRates& rounds) {
  for (const MachineRate& row : rounds.rows) {
    const auto same = std::ranges::find_if(rows, [&](const MachineRate& mine) {
      return mine.threads == row.threads && mine.probe == row.probe;
    });
    if (same == rows.end()) {
      rows.push_back(row);
    } else {
      same->rates.insert(same->rates.end(), row.rates.begin(), row.rates.end());
    }
  }
}

double MachineRates::of(unsigned threads, const PeakProbe* probe) const {
  const auto row = std::ranges::find_if(
      rows, [&](const MachineRate& r) { return r.threads == threads && r.probe == probe; });
  if (row == rows.end()) {
    throw Error(ErrorCategory::Internal, "a rate of the machine was not measured",
                {{"rate", probe == nullptr ? "read bandwidth" : std::string(probe->name)},
                 {"threads", std::to_string(threads)}});
  }
  return median(row->rates);
}

Machine::Machine(std::span<const unsigned> threads) : threads_(threads.begin(), threads.end()) {
  for (const unsigned count : threads_) pools_.push_back(std::make_unique<ThreadPool>(count));
}

ThreadPool& Machine::pool(unsigned threads) const {
  return **std::ranges::find_if(pools_, [&](const auto& pool) { return pool->size() == threads; });
}

MachineRates Machine::rates(std::span<const PeakProbe* const> probes) const {
  MachineRates rates;
  for (const unsigned threads : threads_) rates.rows.push_back({threads, nullptr, {}});
  for (const PeakProbe* probe : probes) {
    for (const unsigned threads : threads_) rates.rows.push_back({threads, probe, {}});
  }
  return rates;
}

void Machine::measure(MachineRates& rates) {
  for (MachineRate& row : rates.rows) {
    ThreadPool& threads = pool(row.threads);
    row.rates.push_back(row.probe == nullptr ? bandwidth_.measure(threads)
                                             : measure_peak(*row.probe, threads));
  }
}

std::vector<const PeakProbe*> supported_probes() {
  std::vector<const PeakProbe*> probes;
  for (const PeakProbe& probe : peak_probes()) {
    if (supported(probe.required)) probes.push_back(&probe);
  }
  return probes;
}

nlohmann::ordered_json bandwidth_json(const MachineRates& rates) {
  auto json = nlohmann::ordered_json::array();
  for (const MachineRate& row : rates.rows) {
    if (row.probe != nullptr) continue;
    json.push_back({{"threads", row.threads},
                    {"bytes_per_second", median(row.rates)},
                    {"min", lowest(row.rates)},
                    {"max", highest(row.rates)}});
  }
  return json;
}

nlohmann::ordered_json peaks_json(const MachineRates& rates) {
  auto json = nlohmann::ordered_json::array();
  for (const MachineRate& row : rates.rows) {
    if (row.probe == nullptr) continue;
    json.push_back({{"name", row.probe->name},
                    {"isa", row.probe->isa},
                    {"operands", name(row.probe->operand)},
                    {"threads", row.threads},
                    {"operations_per_second", median(row.rates)},
                    {"min", lowest(row.rates)},
                    {"max", highest(row.rates)}});
  }
  return json;
}

std::string machine_text(const MachineRates& rates) {
  Table table({"the machine's peaks", "operands", "threads", "rate", "min", "max", ""}, "llrrrr");
  for (const MachineRate& row : rates.rows) {
    const auto giga = [](double rate) { return format_rate(rate / 1e9); };
    table.add({row.probe == nullptr ? "read" : std::string(row.probe->name),
               row.probe == nullptr ? "" : std::string(name(row.probe->operand)), std::to_string(row.threads),
               giga(median(row.rates)), giga(lowest(row.rates)), giga(highest(row.rates)),
               row.probe == nullptr ? "GB/s" : "Gop/s"});
  }
  return table.str();
}

}  // namespace sterna::cli
