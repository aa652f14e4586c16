#pragma once

#include <cstdint>

namespace sterna {

/// Resident bytes of this process, now and at most since it started; 0 where the system does not tell.
std::uint64_t resident_bytes() noexcept;
std::uint64_t peak_resident_bytes() noexcept;

/// Makes all code and constants of the program and its libraries present at once, where the system can (Linux
/// 5.14): what becomes resident afterwards is data.
void populate_program() noexcept;

}  // namespace sterna
