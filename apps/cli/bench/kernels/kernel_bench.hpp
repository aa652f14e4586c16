// `bench --kernels`: every kernel of the tables alone, beside what the machine can do at most.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bench/kernels/kernel_case.hpp"
#include "sterna/log.hpp"

namespace sterna::cli {

/// A case on some threads.
struct KernelResult {
  std::string family;
  std::string kernel;
  std::string shape;
  std::size_t tokens = 1;
  unsigned threads = 1;
  double bytes = 0;         ///< of a call, all threads together; 0: not from memory
  double operations = 0;    ///< of a call, all threads together; 0: not counted
  double cached_bytes = 0;  ///< of a call, all threads together; 0: not counted
  const PeakProbe* peak = nullptr;
  std::size_t compared = 0;          ///< results that were compared with the reference
  std::vector<double> call_rates{};  ///< calls per second of each repetition
  double bandwidth = 0;              ///< bytes/s of plain reading over the whole run
  double peak_rate = 0;              ///< operations/s of `peak` over the whole run; 0 without
  double copy_rate = 0;              ///< bytes/s read and written by copying in the same rounds; 0 without
  double scalar_call_rate = 0;       ///< calls/s of the scalar case in the same rounds; 0 without
};

struct KernelReport {
  std::vector<KernelResult> results;
  MachineRates machine;  ///< over the whole run
  std::uint64_t bandwidth_buffer = 0;
  double seconds = 0;
};

/// Checks and times every case of every family that the filter takes, those of a group and the machine's
/// peaks taking turns. Throws Internal at the first wrong result, InvalidArgument when the filter takes none.
KernelReport bench_kernels(const KernelBenchOptions& options, const Progress& progress);

nlohmann::ordered_json kernels_json(const KernelBenchOptions& options, const KernelReport& report);
std::string kernels_text(const KernelBenchOptions& options, const KernelReport& report);

}  // namespace sterna::cli
