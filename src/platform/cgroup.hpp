#pragma once

#include <filesystem>
#include <optional>

namespace sterna {

/// Processors' worth of time per period that the control groups of this process allow, the tightest of the
/// group and those above it; nothing where no quota is set. Understands version 2 (cpu.max) and version 1
/// (cpu.cfs_quota_us).
/// `membership` is /proc/self/cgroup and `root` is where the hierarchies are mounted, except in tests.
std::optional<double> cpu_quota(const std::filesystem::path& membership = "/proc/self/cgroup",
                                const std::filesystem::path& root = "/sys/fs/cgroup");

}  // namespace sterna
