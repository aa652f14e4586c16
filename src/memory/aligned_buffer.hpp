// Owned bytes at an aligned address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "sterna/memory.hpp"

namespace sterna {

/// Zero-initialised memory of the default pool, aligned to kAlignment. Untouched pages of large buffers cost
/// nothing. Move-only. Throws Limit (pool, asked, held, limit) when there is no memory.
class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = MemoryPool::kAlignment;

  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t bytes, MemoryTag tag = MemoryTag::General);
  ~AlignedBuffer();
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

  /// Gives the whole pages among bytes [begin, end) back to the system; they are 0 again. Returns the bytes
  /// of them that were in memory.
  std::uint64_t release(std::size_t begin, std::size_t end) noexcept;

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sterna
