// read_memory() from files that tests write.
#pragma once

#include <filesystem>

#include "sterna/memory_readings.hpp"

namespace sterna {

/// Where the system's files are mounted.
struct SystemFiles {
  std::filesystem::path proc = "/proc";
  std::filesystem::path cgroups = "/sys/fs/cgroup";
};

MemoryReadings read_memory(const SystemFiles& files);

}  // namespace sterna
