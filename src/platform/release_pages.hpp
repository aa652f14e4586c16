// Giving pages back to the system that stay mapped.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sterna {

/// Gives back the whole pages among these bytes of private anonymous memory. They read as 0 and cost nothing
/// until they are written again. Returns the bytes of them that were in memory; 0 when the system refuses, as
/// it does for locked pages, which keep their content.
std::uint64_t release_pages(std::byte* at, std::size_t bytes) noexcept;

}  // namespace sterna
