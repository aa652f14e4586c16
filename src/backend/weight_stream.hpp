// Bytes that stand for weights where kernels are timed from beyond the caches.
#pragma once

#include <cstddef>

#include "memory/aligned_buffer.hpp"
#include "platform/thread_pool.hpp"

namespace sterna {

/// Any bytes will do, for time does not depend on them; these are 0x55, finite numbers in every float type.
class WeightStream {
 public:
  /// Up to `bytes`, as many of them as are filled in `seconds` and at least `least`.
  WeightStream(std::size_t least, std::size_t bytes, double seconds, ThreadPool& pool);
  /// The next so many bytes, at most `least`; after the last the first again.
  const std::byte* next(std::size_t bytes) noexcept;

 private:
  AlignedBuffer memory_;
  std::size_t filled_ = 0;
  std::size_t at_ = 0;
};

}  // namespace sterna
