// What the operating system says about memory: this process's, its control groups' and the machine's.
#pragma once

#include <cstdint>
#include <optional>

namespace sterna {

/// Of the control group that is nearest to its limit: this process's own or one above it (versions 1 and 2).
struct CgroupMemory {
  std::uint64_t limit = 0;  ///< bytes
  std::uint64_t usage = 0;  ///< bytes, cached files included
  /// Bytes of the usage that cache files nobody used lately: the kernel drops them before anything suffers.
  std::uint64_t inactive_file = 0;
  /// What counts against the limit, as container managers count it too.
  std::uint64_t working_set() const noexcept { return usage > inactive_file ? usage - inactive_file : 0; }
};

/// Pressure stall information: shares, 0 to 1, of the last ten seconds in which tasks waited for memory
/// (docs.kernel.org/accounting/psi.html).
struct MemoryStalls {
  double some = 0;  ///< at least one task
  double full = 0;  ///< all of them at once
};

/// One look at the system. What it does not tell is absent: a file that is missing, or not as documented.
struct MemoryReadings {
  std::optional<std::uint64_t> resident{};      ///< bytes of this process in memory
  std::optional<std::uint64_t> total{};         ///< bytes of the machine
  std::optional<std::uint64_t> available{};     ///< bytes that could be had without swapping
  std::optional<CgroupMemory> cgroup{};         ///< absent without a limit
  std::optional<MemoryStalls> stalls{};         ///< of the machine
  std::optional<MemoryStalls> cgroup_stalls{};  ///< of this process's control group (version 2)
};

/// Reads a handful of small files of /proc and /sys/fs/cgroup. Never throws for what they hold.
MemoryReadings read_memory();

}  // namespace sterna
