#include "memory/tracking/call_stack.hpp"

#define BOOST_STACKTRACE_LINK  // the compiled library, which reads symbols and debug information
#include <boost/stacktrace/frame.hpp>
#include <boost/stacktrace/safe_dump_to.hpp>

#include <algorithm>

namespace sterna::tracking {

CallStack capture_call_stack() noexcept {
  CallStack stack;
  constexpr std::size_t kSkip = 1;
  // A null pointer ends the dump and counts.
  const std::size_t dumped = boost::stacktrace::safe_dump_to(kSkip, stack.frames.data(), sizeof stack.frames);
  const auto end =
      std::find(stack.frames.begin(), stack.frames.begin() + std::min(dumped, stack.frames.size()), nullptr);
  stack.count = static_cast<std::size_t>(end - stack.frames.begin());
  return stack;
}

std::vector<std::string> describe(const CallStack& stack) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < stack.count; ++i) {
    const boost::stacktrace::frame frame(stack.frames[i]);
    std::string line = frame.name();
    const bool own = line.find("sterna::tracking::") != std::string::npos ||
                     line.find("sterna::HybridMemoryPool::") != std::string::npos;
    if (own && lines.empty()) continue;
    if (line.empty()) line = "?";
    if (const std::string file = frame.source_file(); !file.empty()) {
      line += " at " + file + ":" + std::to_string(frame.source_line());
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace sterna::tracking
