#include <utility>

#include "memory/aligned_buffer.hpp"
#include "sterna/error.hpp"
#include "sterna/tensor.hpp"

namespace sterna {

Storage::Storage(Key, std::byte* data, std::size_t bytes, std::function<void()> release, bool writable,
                 Owner owner, Device device) noexcept
    : data_(data),
      bytes_(bytes),
      release_(std::move(release)),
      device_(device),
      owner_(owner),
      writable_(writable) {}

Storage::~Storage() {
  if (release_) release_();
}

std::shared_ptr<Storage> Storage::allocate(std::size_t bytes, Device device) {
  auto buffer = std::make_shared<AlignedBuffer>(bytes);
  std::byte* data = buffer->data();
  return std::make_shared<Storage>(
      Key{}, data, bytes, [buffer = std::move(buffer)] {}, true, Owner::Pool, device);
}

std::shared_ptr<Storage> Storage::borrow(void* data, std::size_t bytes, std::function<void()> release,
                                         bool writable, Owner owner, Device device) {
  if (!data && bytes > 0) {
    throw Error(ErrorCategory::InvalidArgument, "no memory to borrow",
                {{"bytes", std::to_string(bytes)}, {"data", "null"}});
  }
  return std::make_shared<Storage>(Key{}, static_cast<std::byte*>(data), bytes, std::move(release), writable,
                                   owner, device);
}

}  // namespace sterna
