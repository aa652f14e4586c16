// What the machine can do at most: reading memory, multiplying and adding. Measured in the same rounds as
// what is held against it, because machines that are shared change from minute to minute.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "backend/cpu/read_bandwidth.hpp"
#include "kernels/peak_table.hpp"
#include "platform/thread_pool.hpp"

namespace sterna::cli {

/// One rate in every round.
struct MachineRate {
  unsigned threads;
  const PeakProbe* probe;     ///< null: the read bandwidth
  std::vector<double> rates;  ///< operations/s, a multiplication and an addition being two; or bytes/s
};

/// The rates of some rounds.
struct MachineRates {
  std::vector<MachineRate> rows;

  double bandwidth(unsigned threads) const { return of(threads, nullptr); }
  double peak(const PeakProbe& probe, unsigned threads) const { return of(threads, &probe); }
  void append(const MachineRates& rounds);

 private:
  double of(unsigned threads, const PeakProbe* probe) const;  ///< the median
};

class Machine {
 public:
  /// A pool of each size, and the memory that bandwidth is measured in.
  explicit Machine(std::span<const unsigned> threads);

  ThreadPool& pool(unsigned threads) const;
  std::span<const unsigned> threads() const noexcept { return threads_; }
  /// Far larger than the caches; others may write to it.
  std::span<std::byte> memory() noexcept { return bandwidth_.memory(); }

  /// Bandwidth and these probes for every number of threads, not measured yet.
  MachineRates rates(std::span<const PeakProbe* const> probes) const;
  /// One more round of every row. Throws Internal when a probe computes something else than it should.
  void measure(MachineRates& rates);

 private:
  std::vector<unsigned> threads_;
  std::vector<std::unique_ptr<ThreadPool>> pools_;
  ReadBandwidth bandwidth_;
};

/// Every probe that this processor can run.
std::vector<const PeakProbe*> supported_probes();

/// [{threads, bytes_per_second, min, max}]
nlohmann::ordered_json bandwidth_json(const MachineRates& rates);
/// [{name, isa, operands, threads, operations_per_second, min, max}]
nlohmann::ordered_json peaks_json(const MachineRates& rates);
/// A line for each row: what it is, threads, the rate, least and most.
std::string machine_text(const MachineRates& rates);

}  // namespace sterna::cli
