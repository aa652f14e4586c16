#include "platform/release_pages.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace sterna {

std::uint64_t release_pages(std::byte* at, std::size_t bytes) noexcept {
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t before = -reinterpret_cast<std::uintptr_t>(at) & (page - 1);
  if (before >= bytes || bytes - before < page) return 0;
  std::byte* const first = at + before;
  const std::size_t pages = (bytes - before) / page;
  std::uint64_t resident = 0;
  std::array<unsigned char, 4096> present;
  for (std::size_t i = 0; i < pages; i += present.size()) {
    const std::size_t n = std::min(present.size(), pages - i);
    if (::mincore(first + i * page, n * page, present.data()) != 0) return 0;
    resident += static_cast<std::uint64_t>(
        std::count_if(present.begin(), present.begin() + n, [](unsigned char p) { return (p & 1) != 0; }));
  }
  if (resident == 0 || ::madvise(first, pages * page, MADV_DONTNEED) != 0) return 0;
  return resident * page;
}

}  // namespace sterna
