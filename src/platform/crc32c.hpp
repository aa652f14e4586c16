// CRC-32C (Castagnoli): the checksum that processors have an instruction for.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace sterna {

/// The checksum of bytes that follow those whose checksum is `before`; 0 before the first. Polynomial
/// 0x1EDC6F41, reflected, begun and ended with all bits inverted (RFC 3720, B.4): "123456789" gives
/// 0xE3069283. Every change of up to 32 bits beside each other, and of any three bits in 256 MB, changes it.
std::uint32_t crc32c(Bytes bytes, std::uint32_t before = 0) noexcept;

/// The same from a table, a byte at a time: what runs where the processor lacks the instruction.
std::uint32_t crc32c_by_table(Bytes bytes, std::uint32_t before = 0) noexcept;

/// Whether crc32c runs on the processor's instruction.
bool has_crc32c_instruction() noexcept;

}  // namespace sterna
