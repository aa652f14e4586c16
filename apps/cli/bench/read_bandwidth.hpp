// The floor that generating text stands on: how fast this machine reads memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "memory/aligned_buffer.hpp"
#include "platform/thread_pool.hpp"

namespace sterna::cli {

/// A buffer much larger than the caches, touched once so that every page is there.
class ReadBandwidth {
 public:
  ReadBandwidth();
  /// Bytes per second, the buffer split between the pool's threads: as one stream for each, or as four asked
  /// for ahead, whichever is faster.
  double measure(ThreadPool& pool);
  /// What is read; any bytes will do.
  std::span<std::byte> memory() noexcept { return {buffer_.data(), buffer_.size()}; }

 private:
  using Read = std::uint64_t (*)(const std::byte* from, const std::byte* to);
  double rate(ThreadPool& pool, Read read, std::size_t from, std::size_t to);

  AlignedBuffer buffer_;
  std::uint64_t checksum_ = 0;
};

/// Bytes of the last-level cache that the process can reach; 0 when the system does not tell.
std::uint64_t last_level_cache_bytes();

}  // namespace sterna::cli
