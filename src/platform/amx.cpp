#include "platform/amx.hpp"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#endif

namespace sterna {

#if defined(__x86_64__) && defined(__linux__)

namespace {

std::uint64_t enabled_state() noexcept {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
}

}  // namespace

bool amx_int8_usable() noexcept {
  // Bits of CPUID and of the extended state, from Intel's manual (volume 1, chapters 13 and 18).
  constexpr unsigned kOsxsave = 1u << 27;                 // leaf 1, ECX
  constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25;  // leaf 7, EDX
  constexpr unsigned kTileData = 18;
  constexpr std::uint64_t kTileState = 1u << 17 | 1u << kTileData;
  unsigned a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kOsxsave) == 0) return false;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & (kTile | kInt8)) != (kTile | kInt8)) return false;
  if ((enabled_state() & kTileState) != kTileState) return false;
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM, Linux 5.16; older kernels refuse it
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

#else

bool amx_int8_usable() noexcept {
  return false;
}

#endif

}  // namespace sterna
