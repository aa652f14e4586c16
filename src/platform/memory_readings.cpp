#include "platform/memory_readings.hpp"

#include "platform/cgroup.hpp"
#include "platform/kernel_file.hpp"

namespace sterna {

MemoryReadings read_memory(const SystemFiles& files) {
  const KernelFile machine((files.proc / "meminfo").c_str());
  const auto membership = files.proc / "self/cgroup";
  return {.resident = KernelFile((files.proc / "self/status").c_str()).field("VmRSS:"),
          .total = machine.field("MemTotal:"),
          .available = machine.field("MemAvailable:"),
          .cgroup = cgroup_memory(membership, files.cgroups),
          .stalls = read_stalls(files.proc / "pressure/memory"),
          .cgroup_stalls = cgroup_stalls(membership, files.cgroups)};
}

MemoryReadings read_memory() {
  return read_memory(SystemFiles{});
}

}  // namespace sterna
