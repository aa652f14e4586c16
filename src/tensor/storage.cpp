#include <utility>

#include "sterna/error.hpp"
#include "sterna/memory.hpp"
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

std::shared_ptr<Storage> Storage::allocate(std::size_t bytes, Device device, bool zeroed) {
  MemoryPool& pool = default_pool(device);
  // First the object, then its bytes: whichever fails, nothing is lost.
  auto storage =
      std::make_shared<Storage>(Key{}, nullptr, bytes, std::function<void()>{}, true, Owner::Pool, device);
  if (bytes == 0) return storage;
  constexpr auto kTag = MemoryTag::Tensor;
  void* const data = zeroed ? pool.allocate_zeroed(bytes, MemoryPool::kAlignment, kTag)
                            : pool.allocate(bytes, MemoryPool::kAlignment, kTag);
  storage->data_ = static_cast<std::byte*>(data);
  storage->release_ = [&pool, data] {
    pool.deallocate(data);
  };  // two pointers: std::function holds them itself
  return storage;
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
