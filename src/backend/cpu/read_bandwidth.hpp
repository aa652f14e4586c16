// The floor that generating text stands on: how fast this machine reads memory.
#pragma once

#include <cstdint>

#include "memory/aligned_buffer.hpp"
#include "platform/thread_pool.hpp"

namespace sterna {

/// How a pass reads: a word of every cache line, or whole lines in the widest vectors that were worth it.
enum class ReadWidth : bool { Word, Vector };

/// A buffer much larger than the caches, touched once so that every page is there.
class ReadBandwidth {
 public:
  ReadBandwidth();
  /// Bytes per second of one pass over the buffer, split between the pool's threads.
  double measure(ThreadPool& pool, ReadWidth width = ReadWidth::Vector);
  std::uint64_t bytes() const noexcept { return buffer_.size(); }

 private:
  AlignedBuffer buffer_;
  std::uint64_t checksum_ = 0;
};

}  // namespace sterna
