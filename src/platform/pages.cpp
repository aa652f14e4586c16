#include "platform/pages.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.hpp"

namespace sterna {

void release_pages(Bytes bytes) noexcept {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
  // Outward: a page of which half is left over can keep the 2 MiB around it mapped.
  const std::uintptr_t begin = address / page * page;
  const std::uintptr_t end = round_up(address + bytes.size(), page);
  // Advice: where the system does not take it, the pages stay until it needs them.
  if (!bytes.empty()) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace sterna
