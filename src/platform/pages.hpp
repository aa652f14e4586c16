// Memory by the page: from the system and back, and parts of mapped files.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"

namespace sterna {

std::size_t page_bytes() noexcept;

/// Readable, writable memory full of zeros at a multiple of `alignment` (a power of two of whole pages);
/// pages cost nothing until they are touched. Null when the system has none.
std::byte* map_pages(std::size_t bytes, std::size_t alignment) noexcept;
void unmap_pages(std::byte* at, std::size_t bytes) noexcept;

/// Makes all bytes 0 and gives the whole pages among them back, until they are touched again. `locked`: the
/// pages were locked, and are to be again.
void discard_pages(std::byte* at, std::size_t bytes, bool locked) noexcept;

/// Gives back the whole pages among these bytes of private anonymous memory. They read as 0 and cost nothing
/// until they are written again. Returns the bytes of them that were in memory; 0 when the system refuses, as
/// it does for locked pages, which keep their content.
std::uint64_t release_pages(std::byte* at, std::size_t bytes) noexcept;

/// Asks for huge pages. Advice: where the system has none it costs speed only.
void prefer_huge_pages(std::byte* at, std::size_t bytes) noexcept;
/// Pages stay in memory once they are touched. False when the system refuses (RLIMIT_MEMLOCK).
bool lock_pages(std::byte* at, std::size_t bytes) noexcept;
/// Pages come from the NUMA node of this logical index. False when the system refuses.
bool bind_pages(std::byte* at, std::size_t bytes, unsigned node) noexcept;

/// Makes a part of a mapped file present in this process at once, which costs less than a fault for every few
/// pages when it is read. Advice: what the system refuses is left to those faults.
void populate(Bytes part) noexcept;

/// Takes the pages that hold a part of a mapped file out of this process's memory, those at both ends too:
/// only for bytes that are never written. Reading them again brings the file's contents back.
void unpopulate(Bytes part) noexcept;

/// A barrier in every running thread of this process, so that the other side of a handshake, which runs much
/// more often, can do without one. False where the system has none.
bool heavy_barrier() noexcept;
/// Whether heavy_barrier() works here; asks the system once.
bool has_heavy_barrier() noexcept;

}  // namespace sterna
