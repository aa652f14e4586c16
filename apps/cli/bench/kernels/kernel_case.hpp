// What `bench --kernels` walks: families of kernels, one file and one row each, that make cases to time.
#pragma once

#include <cstddef>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "bench/machine.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/peak_table.hpp"
#include "platform/thread_pool.hpp"

namespace sterna::cli {

struct KernelBenchOptions {
  std::vector<unsigned> threads;
  unsigned repetitions = 5;
  double slice_seconds = 20e-3;  ///< of a repetition of a case, or one call where that takes longer
  bool all = true;               ///< every shape, number of tokens and element type; else one of each kind
  std::string filter;            ///< a kernel's name, its operation or its instruction set; empty: all

  static KernelBenchOptions quick() {
    return {.threads = {}, .repetitions = 3, .slice_seconds = 8e-3, .all = false, .filter = {}};
  }
  /// Whether the filter takes the kernel OPERATION-ISA.
  bool wants(std::string_view operation, std::string_view isa) const;
};

/// One kernel at one shape.
struct KernelCase {
  std::string kernel;
  std::string shape;
  std::size_t tokens = 1;
  double bytes = 0;                 ///< read from memory by a call; 0: what it reads stays in the caches
  double operations = 0;            ///< multiplications and additions of a call; 0: not counted
  const PeakProbe* peak = nullptr;  ///< what the operations are held against; null: nothing
  double cached_bytes = 0;          ///< read and written in the caches by a call; 0: not counted
  std::string copy{};               ///< the case of the group that copies memory; empty: not held against one
  std::string scalar{};             ///< the case that does the same one element at a time; empty: none
  bool each_thread = false;         ///< a call does that much on every thread, and not altogether
  /// Calls the kernel and returns how many results it compared with the reference, or with the generic
  /// kernel, by equality. Throws Internal (kernel, what, found, expected) at the first that differs.
  std::function<std::size_t(ThreadPool&)> check;
  std::function<void(ThreadPool&)> run;  ///< one call, on weights or a cache that memory must deliver
};

using Measure = std::function<void(std::span<const KernelCase>)>;

/// Cases that share their data, which lives while `measure` runs.
using KernelGroup = std::function<void(Machine&, const Measure& measure)>;

struct KernelFamily {
  std::string_view name;
  std::vector<KernelGroup> (*groups)(const KernelBenchOptions&);
};
std::span<const KernelFamily> kernel_families() noexcept;

/// Several copies of the same bytes, together beyond every cache: the way a model's layers follow each other.
class Copies {
 public:
  /// In the machine's memory, which must not be used otherwise meanwhile.
  Copies(Machine& machine, Bytes original);
  /// Another copy than the last time.
  const std::byte* next() noexcept;

 private:
  std::byte* memory_;
  std::size_t size_;
  std::size_t count_;
  std::size_t at_ = 0;
};

[[noreturn]] void throw_wrong(std::string_view kernel, std::string what, std::string found,
                              std::string expected);
/// Compares floats by their bits and returns how many.
std::size_t check_floats(std::string_view kernel, std::span<const float> found,
                         std::span<const float> expected);

/// The float kernels of every instruction set that the processor supports, has operations of its own and is
/// wanted.
std::vector<FloatKernels> wanted_float_kernels(const KernelBenchOptions& options, std::string_view operation);

using Random = std::minstd_rand;

}  // namespace sterna::cli
