#pragma once

#include <cstdint>

namespace sterna {

/// Resident bytes of this process, now and at most since it started; 0 where the system does not tell.
std::uint64_t resident_bytes() noexcept;
std::uint64_t peak_resident_bytes() noexcept;

}  // namespace sterna
