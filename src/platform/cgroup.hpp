// What the control groups of this process allow it.
#pragma once

#include <filesystem>
#include <optional>

#include "sterna/memory_readings.hpp"

namespace sterna {

// `membership` is /proc/self/cgroup and `root` is where the hierarchies are mounted, except in tests. A file
// that is missing or not as documented says nothing.

/// Processors' worth of time per period, the tightest of the group and those above it; nothing where no quota
/// is set. Understands version 2 (cpu.max) and version 1 (cpu.cfs_quota_us).
std::optional<double> cpu_quota(const std::filesystem::path& membership = "/proc/self/cgroup",
                                const std::filesystem::path& root = "/sys/fs/cgroup");

/// Limit and usage of the group whose working set is the largest share of its limit, of the process's group
/// and those above it; nothing where no limit is set. Understands version 2 (memory.max) and version 1
/// (memory.limit_in_bytes).
std::optional<CgroupMemory> cgroup_memory(const std::filesystem::path& membership,
                                          const std::filesystem::path& root);

/// Stalls of the process's own group (version 2, memory.pressure).
std::optional<MemoryStalls> cgroup_stalls(const std::filesystem::path& membership,
                                          const std::filesystem::path& root);

/// Stalls as a file of the kernel's states them, in percent.
std::optional<MemoryStalls> read_stalls(const std::filesystem::path& file);

}  // namespace sterna
