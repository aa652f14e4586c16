#include "platform/process_memory.hpp"

#include <cstdio>
#include <cstring>

namespace sterna {
namespace {

/// A line "Field:   123 kB" of /proc/self/status, in bytes.
std::uint64_t status_field(const char* field) noexcept {
  std::FILE* file = std::fopen("/proc/self/status", "re");
  if (file == nullptr) return 0;
  const std::size_t length = std::strlen(field);
  unsigned long long kib = 0;
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, field, length) == 0 && std::sscanf(line + length, ": %llu kB", &kib) == 1) break;
  }
  std::fclose(file);
  return kib * 1024;
}

}  // namespace

std::uint64_t resident_bytes() noexcept {
  return status_field("VmRSS");
}

std::uint64_t peak_resident_bytes() noexcept {
  return status_field("VmHWM");
}

}  // namespace sterna
