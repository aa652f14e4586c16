#include "memory/aligned_buffer.hpp"

#include "platform/pages.hpp"

namespace sterna {

AlignedBuffer::AlignedBuffer(std::size_t bytes, MemoryTag tag) : size_(bytes) {
  if (bytes > 0) data_ = static_cast<std::byte*>(default_pool().allocate_zeroed(bytes, kAlignment, tag));
}

AlignedBuffer::~AlignedBuffer() {
  if (data_ != nullptr) default_pool().deallocate(data_);
}

std::uint64_t AlignedBuffer::release(std::size_t begin, std::size_t end) noexcept {
  return release_pages(data_ + begin, end - begin);
}

}  // namespace sterna
