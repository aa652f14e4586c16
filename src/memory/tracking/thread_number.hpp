#pragma once

#include <atomic>
#include <cstdint>

namespace sterna::tracking {

/// A number of the calling thread's own, from 1.
inline std::uint32_t thread_number() noexcept {
  static std::atomic<std::uint32_t> last{0};
  thread_local const std::uint32_t number = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

}  // namespace sterna::tracking
