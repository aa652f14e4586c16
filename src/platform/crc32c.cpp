#include "platform/crc32c.hpp"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

namespace sterna {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // 0x1EDC6F41, its bits in reverse

constexpr std::array<std::uint32_t, 256> kTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}();

#if defined(__x86_64__)

bool has_instruction() noexcept {
  return __builtin_cpu_supports("sse4.2") != 0;
}

[[gnu::target("sse4.2")]] std::uint32_t by_instruction(Bytes bytes, std::uint32_t crc) noexcept {
  std::uint64_t wide = crc;
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8)
    wide = _mm_crc32_u64(wide, load_unaligned<std::uint64_t>(&bytes[at]));
  crc = static_cast<std::uint32_t>(wide);
  for (; at < bytes.size(); ++at) crc = _mm_crc32_u8(crc, static_cast<std::uint8_t>(bytes[at]));
  return crc;
}

#elif defined(__aarch64__)

bool has_instruction() noexcept {
  return (::getauxval(AT_HWCAP) >> 7 & 1) != 0;  // HWCAP_CRC32 (Documentation/arch/arm64/elf_hwcaps.rst)
}

[[gnu::target("+crc")]] std::uint32_t by_instruction(Bytes bytes, std::uint32_t crc) noexcept {
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) crc = __crc32cd(crc, load_unaligned<std::uint64_t>(&bytes[at]));
  for (; at < bytes.size(); ++at) crc = __crc32cb(crc, static_cast<std::uint8_t>(bytes[at]));
  return crc;
}

#else

bool has_instruction() noexcept {
  return false;
}

std::uint32_t by_instruction(Bytes, std::uint32_t crc) noexcept {
  return crc;  // never called
}

#endif

}  // namespace

bool has_crc32c_instruction() noexcept {
  static const bool has = has_instruction();
  return has;
}

std::uint32_t crc32c(Bytes bytes, std::uint32_t before) noexcept {
  return has_crc32c_instruction() ? ~by_instruction(bytes, ~before) : crc32c_by_table(bytes, before);
}

std::uint32_t crc32c_by_table(Bytes bytes, std::uint32_t before) noexcept {
  std::uint32_t crc = ~before;
  for (const std::byte byte : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<std::uint32_t>(byte)) & 0xff];
  return ~crc;
}

}  // namespace sterna
