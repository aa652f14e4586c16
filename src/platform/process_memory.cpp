#include "platform/process_memory.hpp"

#include "platform/kernel_file.hpp"

namespace sterna {

std::uint64_t resident_bytes() noexcept {
  return KernelFile("/proc/self/status").field("VmRSS:").value_or(0);
}

std::uint64_t peak_resident_bytes() noexcept {
  return KernelFile("/proc/self/status").field("VmHWM:").value_or(0);
}

}  // namespace sterna
