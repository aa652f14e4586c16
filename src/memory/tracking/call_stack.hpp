// Who called: captured fast, named later.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace sterna::tracking {

struct CallStack {
  std::array<const void*, 32>
      frames{};  // return addresses, innermost first; deep enough to leave the library
  std::size_t count = 0;
};

/// Of the caller, without this function's own frame. Takes some microseconds.
CallStack capture_call_stack() noexcept;
/// "function at file:line" for each frame, as far as the program's symbols and debug information tell; frames
/// inside the pool itself are left out.
std::vector<std::string> describe(const CallStack& stack);

}  // namespace sterna::tracking
