// The floor that generating text stands on: how fast this machine reads memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "memory/aligned_buffer.hpp"
#include "platform/thread_pool.hpp"

namespace sterna {

/// How a pass reads: a word of every cache line, or whole lines in the widest vectors that were worth it.
enum class ReadWidth : bool { Word, Vector };

/// A buffer much larger than the caches, touched once so that every page is there.
class ReadBandwidth {
 public:
  ReadBandwidth();
  /// Bytes per second, the buffer split between the pool's threads: words of one stream, or vectors of one
  /// stream or words of four asked for ahead, whichever is faster.
  double measure(ThreadPool& pool, ReadWidth width = ReadWidth::Vector);
  /// What is read; any bytes will do.
  std::span<std::byte> memory() noexcept { return {buffer_.data(), buffer_.size()}; }

 private:
  using Read = std::uint64_t (*)(const std::byte* from, const std::byte* to);
  double rate(ThreadPool& pool, Read read, std::size_t from, std::size_t to);

  AlignedBuffer buffer_;
  std::uint64_t checksum_ = 0;
};

}  // namespace sterna
