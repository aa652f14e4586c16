// The small blocks of one size class that no thread has: places in spans.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "memory/pool/arena_heap.hpp"
#include "memory/pool/span.hpp"

namespace sterna::pool {

class Slots {
 public:
  void bind(ArenaHeap& heap, unsigned size_class) noexcept {
    heap_ = &heap;
    class_ = size_class;
  }
  /// Up to `count` blocks; fewer, or none, when the heap has no more spans.
  std::size_t take(void** blocks, std::size_t count);
  /// Returns how many of them were free already, which is their caller's mistake.
  std::size_t give(void* const* blocks, std::size_t count) noexcept;
  /// Gives an empty span back to the heap.
  void release() noexcept;
  /// Bytes of free places, and of the ends of spans that no place fills.
  void add_to(std::uint64_t& free_slots, std::uint64_t& slack) const;

 private:
  const SizeClass& size_class() const noexcept { return kSizeClasses[class_]; }

  ArenaHeap* heap_ = nullptr;
  unsigned class_ = 0;
  mutable std::mutex mutex_;
  SpanList partial_;       // with free and used places
  Span* empty_ = nullptr;  // one is kept, or a block at the edge would cost a span each time
  std::uint64_t spans_ = 0;
  std::uint64_t free_ = 0;
};

}  // namespace sterna::pool
