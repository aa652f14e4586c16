// A run of units in an arena: free, one block, or many small ones.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "memory/pool/size_classes.hpp"

namespace sterna::pool {

struct Arena;

struct Span {
  enum class State : std::uint8_t { Clean, Dirty, Used };  // free and all zeros; free and touched; handed out

  std::byte* base = nullptr;
  std::size_t units = 0;
  Arena* arena = nullptr;
  const void* owner = nullptr;  ///< the pool
  State state = State::Clean;
  bool fresh = false;  ///< used, and its bytes were 0 when it was handed out: nobody freed it since
  std::uint8_t size_class = kNoClass;
  Span* previous = nullptr;  // in whichever list it is
  Span* next = nullptr;

  // Of a span of small blocks: which places are free.
  std::uint32_t free_slots = 0;
  std::array<std::uint64_t, kMaxSlots / 64> free_bits{};

  std::size_t bytes() const noexcept { return units * kUnit; }
};

/// A doubly linked list through previous and next.
class SpanList {
 public:
  Span* front() const noexcept { return front_; }
  bool empty() const noexcept { return front_ == nullptr; }
  void push(Span* span) noexcept {
    span->previous = nullptr;
    span->next = front_;
    if (front_ != nullptr) front_->previous = span;
    front_ = span;
  }
  void remove(Span* span) noexcept {
    (span->previous != nullptr ? span->previous->next : front_) = span->next;
    if (span->next != nullptr) span->next->previous = span->previous;
    span->previous = span->next = nullptr;
  }

 private:
  Span* front_ = nullptr;
};

}  // namespace sterna::pool
