#include "platform/pages.hpp"

#include <hwloc.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "base/checked.hpp"

namespace sterna {
namespace {

/// Loaded once, kept for the process: a millisecond that only pools bound to a node pay.
hwloc_topology_t topology() noexcept {
  static const hwloc_topology_t loaded = []() -> hwloc_topology_t {
    hwloc_topology_t t = nullptr;
    if (hwloc_topology_init(&t) != 0) return nullptr;
    return hwloc_topology_load(t) == 0 ? t : nullptr;
  }();
  return loaded;
}

long membarrier(int command) noexcept {
#ifdef SYS_membarrier
  return ::syscall(SYS_membarrier, command, 0, 0);
#else
  static_cast<void>(command);
  return -1;
#endif
}

}  // namespace

std::size_t page_bytes() noexcept {
  static const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

std::byte* map_pages(std::size_t bytes, std::size_t alignment) noexcept {
  const auto padded = checked_add(bytes, alignment);
  if (!padded) return nullptr;
  // NORESERVE: addresses are no promise of memory; what is touched is counted by the pool's limit.
  void* at =
      ::mmap(nullptr, *padded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  auto* first = static_cast<std::byte*>(at);
  const std::size_t before = -reinterpret_cast<std::uintptr_t>(first) & (alignment - 1);
  const std::size_t length = round_up(bytes, page_bytes());
  if (before > 0) ::munmap(first, before);
  if (before + length < *padded) ::munmap(first + before + length, *padded - before - length);
  return first + before;
}

void unmap_pages(std::byte* at, std::size_t bytes) noexcept {
  ::munmap(at, round_up(bytes, page_bytes()));
}

void discard_pages(std::byte* at, std::size_t bytes, bool locked) noexcept {
  const std::size_t page = page_bytes();
  const std::size_t before = -reinterpret_cast<std::uintptr_t>(at) & (page - 1);
  if (before >= bytes || bytes - before < page) {
    std::memset(at, 0, bytes);
    return;
  }
  std::byte* const whole = at + before;
  const std::size_t length = (bytes - before) / page * page;
  std::memset(at, 0, before);
  std::memset(whole + length, 0, bytes - before - length);
  if (locked) ::munlock(whole, length);
  if (::madvise(whole, length, MADV_DONTNEED) != 0) std::memset(whole, 0, length);
  if (locked) lock_pages(whole, length);
}

std::uint64_t release_pages(std::byte* at, std::size_t bytes) noexcept {
  const std::size_t page = page_bytes();
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

void prefer_huge_pages(std::byte* at, std::size_t bytes) noexcept {
  ::madvise(at, bytes, MADV_HUGEPAGE);
}

bool lock_pages(std::byte* at, std::size_t bytes) noexcept {
  return ::mlock2(at, bytes, MLOCK_ONFAULT) == 0;
}

bool bind_pages(std::byte* at, std::size_t bytes, unsigned node) noexcept {
  if (topology() == nullptr) return false;
  const hwloc_obj_t object = hwloc_get_obj_by_type(topology(), HWLOC_OBJ_NUMANODE, node);
  if (object == nullptr) return false;
  return hwloc_set_area_membind(topology(), at, bytes, object->nodeset, HWLOC_MEMBIND_BIND,
                                HWLOC_MEMBIND_BYNODESET) == 0;
}

void populate(Bytes part) noexcept {
#if defined(MADV_POPULATE_READ)  // Linux 5.14
  if (part.empty()) return;
  const auto page = std::uintptr_t{page_bytes()};
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data()) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(part.data() + part.size());
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_READ);
#else
  static_cast<void>(part);
#endif
}

void unpopulate(Bytes part) noexcept {
  if (part.empty()) return;
  const auto page = std::uintptr_t{page_bytes()};
  const auto address = reinterpret_cast<std::uintptr_t>(part.data());
  // Outward: a page of which half is left over can keep the 2 MiB around it mapped.
  const std::uintptr_t begin = address / page * page;
  const std::uintptr_t end = round_up(address + part.size(), page);
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

bool has_heavy_barrier() noexcept {
  static const bool registered = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
  return registered;
}

bool heavy_barrier() noexcept {
  return has_heavy_barrier() && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}

}  // namespace sterna
