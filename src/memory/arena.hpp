// One block of memory for many arrays whose sizes are known before the work begins.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/checked.hpp"
#include "memory/aligned_buffer.hpp"

namespace sterna {

/// Carves arrays from one buffer in two passes over the same code: the first, on an arena without memory,
/// adds up the sizes; the second hands out zeroed, aligned memory. Nothing is allocated afterwards.
///
///   Arena arena = Arena::sized_by([&](Arena& a) { x = a.array<float>(n); y = a.array<int>(m); });
class Arena {
 public:
  Arena() = default;

  template <class LayOut>
  static Arena sized_by(LayOut&& lay_out) {
    Arena arena;
    lay_out(arena);
    arena.buffer_ = AlignedBuffer(arena.used_, MemoryTag::Activations);
    arena.used_ = 0;
    lay_out(arena);
    return arena;
  }

  template <class T>
  std::span<T> array(std::size_t n) {
    T* at = buffer_.data() ? reinterpret_cast<T*>(buffer_.data() + used_) : nullptr;
    used_ += round_up(n * sizeof(T), AlignedBuffer::kAlignment);
    return {at, at ? n : 0};
  }

  /// Lets each of these lay out its arrays in the same memory: for what is never in use at once.
  template <class... LayOut>
  void take_turns(LayOut&&... lay_outs) {
    const std::size_t begin = used_;
    std::size_t end = begin;
    ((used_ = begin, lay_outs(*this), end = std::max(end, used_)), ...);
    used_ = end;
  }

  std::size_t bytes() const noexcept { return buffer_.size(); }

  /// Gives back the pages of all arrays but `kept`, which are 0 again. Returns their bytes.
  template <class T>
  std::uint64_t release_all_but(std::span<T> kept) noexcept {
    if (buffer_.size() == 0) return 0;
    const auto begin = static_cast<std::size_t>(reinterpret_cast<std::byte*>(kept.data()) - buffer_.data());
    return buffer_.release(0, begin) + buffer_.release(begin + kept.size_bytes(), buffer_.size());
  }

 private:
  AlignedBuffer buffer_;
  std::size_t used_ = 0;
};

}  // namespace sterna
