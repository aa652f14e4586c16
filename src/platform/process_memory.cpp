#include "platform/process_memory.hpp"

#include <link.h>

#include "platform/kernel_file.hpp"
#include "platform/pages.hpp"

namespace sterna {

std::uint64_t resident_bytes() noexcept {
  return KernelFile("/proc/self/status").field("VmRSS:").value_or(0);
}

std::uint64_t peak_resident_bytes() noexcept {
  return KernelFile("/proc/self/status").field("VmHWM:").value_or(0);
}

void populate_program() noexcept {
  ::dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void*) {
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const auto& segment = object->dlpi_phdr[i];
          if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
          populate(
              {reinterpret_cast<const std::byte*>(object->dlpi_addr + segment.p_vaddr), segment.p_filesz});
        }
        return 0;
      },
      nullptr);
}

}  // namespace sterna
