#include "memory/tracking/leaks.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <mutex>
#include <string>

#include "base/log.hpp"

namespace sterna {

void log_leaks(const MemoryPool& pool) {
  constexpr std::size_t kMost = 100;
  const auto blocks = pool.live_blocks();
  for (std::size_t i = 0; i < std::min(blocks.size(), kMost); ++i) {
    const LiveBlock& block = blocks[i];
    std::string text =
        fmt::format("pool {}: {} bytes ({}) alive for {:.3f} s, from thread {}", pool.name(), block.bytes,
                    to_string(block.tag), std::chrono::duration<double>(block.age).count(), block.thread);
    for (const std::string& frame : block.stack) text += "\n  " + frame;
    log_warning(text);
  }
  if (blocks.size() > kMost)
    log_warning(fmt::format("pool {}: and {} more", pool.name(), blocks.size() - kMost));
}

void log_leaks_at_exit() {
  static std::once_flag once;
  std::call_once(once, [] {
    std::atexit([] {
      try {
        log_leaks(default_pool());
      } catch (...) {  // a sink that throws: the warnings are lost
      }
    });
  });
}

}  // namespace sterna
