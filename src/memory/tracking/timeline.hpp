// The last operations of a pool, and the file in which a trace viewer shows them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string_view>
#include <vector>

#include "sterna/memory.hpp"

namespace sterna::tracking {

struct Event {
  std::chrono::steady_clock::time_point start;
  std::chrono::steady_clock::duration duration;
  const void* block;
  std::size_t bytes;         // asked for
  std::uint64_t live_bytes;  // asked for, of all tracked blocks, afterwards
  std::uint32_t thread;
  MemoryTag tag;
  bool allocates;
};

/// A ring of kTimelineEvents: the oldest give way.
class Timeline {
 public:
  /// Makes room; without it add() does nothing.
  void start();
  void add(const Event& event) noexcept;
  /// Oldest first.
  std::vector<Event> events() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Event> ring_;
  std::size_t next_ = 0;
  bool full_ = false;
};

/// Chrome's trace event format (JSON): each operation as a complete event on its thread, and the live bytes
/// as a counter. Written whole or not at all; throws Io.
void write_chrome_trace(const std::filesystem::path& file, std::string_view pool,
                        const std::vector<Event>& events);

}  // namespace sterna::tracking
