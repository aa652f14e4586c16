// Memory of exactly the size asked for, so that the address sanitizer sees a read one byte past its end.
#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <utility>

namespace sterna::testing {

template <class T>
class ExactBuffer {
 public:
  static constexpr std::align_val_t kAlignment{64};

  explicit ExactBuffer(std::size_t n) : values_(new (kAlignment) T[n]{}), size_(n) {}
  ExactBuffer(ExactBuffer&& other) noexcept
      : values_(std::exchange(other.values_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  ~ExactBuffer() { ::operator delete[](values_, kAlignment); }
  ExactBuffer& operator=(ExactBuffer&&) = delete;

  T* data() noexcept { return values_; }
  const T* data() const noexcept { return values_; }
  std::size_t size() const noexcept { return size_; }
  T& operator[](std::size_t i) noexcept { return values_[i]; }
  const T& operator[](std::size_t i) const noexcept { return values_[i]; }
  T* begin() noexcept { return values_; }
  T* end() noexcept { return values_ + size_; }
  const T* begin() const noexcept { return values_; }
  const T* end() const noexcept { return values_ + size_; }

 private:
  T* values_;
  std::size_t size_;
};

}  // namespace sterna::testing
