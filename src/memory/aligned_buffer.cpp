#include "memory/aligned_buffer.hpp"

namespace sterna {

AlignedBuffer::AlignedBuffer(std::size_t bytes, MemoryTag tag) : size_(bytes) {
  if (bytes > 0) data_ = static_cast<std::byte*>(default_pool().allocate_zeroed(bytes, kAlignment, tag));
}

AlignedBuffer::~AlignedBuffer() {
  if (data_ != nullptr) default_pool().deallocate(data_);
}

}  // namespace sterna
