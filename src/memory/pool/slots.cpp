#include "memory/pool/slots.hpp"

#include <bit>
#include <utility>

#include "memory/pool/page_map.hpp"

namespace sterna::pool {

std::size_t Slots::take(void** blocks, std::size_t count) {
  const std::size_t bytes = size_class().bytes;
  std::size_t taken = 0;
  const std::lock_guard lock(mutex_);
  while (taken < count) {
    Span* span = partial_.front();
    if (span == nullptr) {
      span = std::exchange(empty_, nullptr);
      if (span == nullptr) {
        span = heap_->allocate(size_class().units, kUnit, class_, true);
        if (span == nullptr) break;
        span->fresh = false;
        const std::size_t slots = size_class().slots;
        for (std::size_t i = 0; i < span->free_bits.size(); ++i) {
          const std::size_t rest = slots > i * 64 ? slots - i * 64 : 0;
          span->free_bits[i] = rest >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << rest) - 1;
        }
        span->free_slots = static_cast<std::uint32_t>(slots);
        ++spans_;
        free_ += slots;
      }
      partial_.push(span);
    }
    // The lowest first, so that the others stay together.
    for (std::size_t i = 0; taken < count && span->free_slots > 0; ++i) {
      std::uint64_t& bits = span->free_bits[i];
      for (; bits != 0 && taken < count; bits &= bits - 1) {
        blocks[taken++] = span->base + (i * 64 + static_cast<std::size_t>(std::countr_zero(bits))) * bytes;
        --span->free_slots;
        --free_;
      }
    }
    if (span->free_slots == 0) partial_.remove(span);
  }
  return taken;
}

std::size_t Slots::give(void* const* blocks, std::size_t count) noexcept {
  std::size_t wrong = 0;
  const std::lock_guard lock(mutex_);
  for (std::size_t n = 0; n < count; ++n) {
    const auto* block = static_cast<const std::byte*>(blocks[n]);
    Span* const span = PageMap::find(block);
    const auto slot = static_cast<std::uint32_t>(block - span->base) / size_class().bytes;
    std::uint64_t& bits = span->free_bits[slot / 64];
    const std::uint64_t bit = std::uint64_t{1} << slot % 64;
    if ((bits & bit) != 0) {
      ++wrong;
      continue;
    }
    bits |= bit;
    ++free_;
    if (span->free_slots++ == 0) partial_.push(span);
    if (span->free_slots == size_class().slots) {
      partial_.remove(span);
      if (Span* const spare = std::exchange(empty_, span)) {
        --spans_;
        free_ -= size_class().slots;
        heap_->free(spare);
      }
    }
  }
  return wrong;
}

void Slots::release() noexcept {
  const std::lock_guard lock(mutex_);
  if (Span* const spare = std::exchange(empty_, nullptr)) {
    --spans_;
    free_ -= size_class().slots;
    heap_->free(spare);
  }
}

void Slots::add_to(std::uint64_t& free_slots, std::uint64_t& slack) const {
  const std::lock_guard lock(mutex_);
  free_slots += free_ * size_class().bytes;
  slack += spans_ * (size_class().units * kUnit - std::uint64_t{size_class().slots} * size_class().bytes);
}

}  // namespace sterna::pool
