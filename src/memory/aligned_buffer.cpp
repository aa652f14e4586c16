#include "memory/aligned_buffer.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "base/checked.hpp"
#include "platform/release_pages.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

// From the size of a huge page on, mapping costs less than zeroing and fragmenting the heap.
constexpr std::size_t kMapFrom = std::size_t{2} << 20;

[[noreturn]] void out_of_memory(std::size_t bytes) {
  throw Error(ErrorCategory::Limit, "out of memory", {{"asked", std::to_string(bytes) + " bytes"}});
}

}  // namespace

AlignedBuffer::AlignedBuffer(std::size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  if (bytes >= kMapFrom) {
    void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) out_of_memory(bytes);
    madvise(mapped, bytes, MADV_HUGEPAGE);  // advice: its failure costs speed only
    data_ = static_cast<std::byte*>(mapped);
    return;
  }
  data_ = static_cast<std::byte*>(std::aligned_alloc(kAlignment, round_up(bytes, kAlignment)));
  if (!data_) out_of_memory(bytes);
  std::memset(data_, 0, bytes);
}

AlignedBuffer::~AlignedBuffer() {
  if (size_ >= kMapFrom) {
    munmap(data_, size_);
  } else {
    std::free(data_);
  }
}

std::uint64_t AlignedBuffer::release(std::size_t begin, std::size_t end) noexcept {
  return size_ >= kMapFrom ? release_pages(data_ + begin, end - begin) : 0;
}

}  // namespace sterna
