#include "memory/tracking/timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "platform/atomic_file.hpp"

namespace sterna::tracking {
namespace {

double microseconds(std::chrono::steady_clock::duration d) {
  return std::chrono::duration<double, std::micro>(d).count();
}

/// A string as JSON writes it.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

void Timeline::start() {
  const std::lock_guard lock(mutex_);
  if (ring_.empty()) ring_.resize(kTimelineEvents);
}

void Timeline::add(const Event& event) noexcept {
  const std::lock_guard lock(mutex_);
  if (ring_.empty()) return;
  ring_[next_] = event;
  next_ = (next_ + 1) % ring_.size();
  full_ |= next_ == 0;
}

std::vector<Event> Timeline::events() const {
  const std::lock_guard lock(mutex_);
  std::vector<Event> events;
  const auto next = ring_.begin() + static_cast<std::ptrdiff_t>(next_);
  if (full_) events.assign(next, ring_.end());
  events.insert(events.end(), ring_.begin(), next);
  return events;
}

void write_chrome_trace(const std::filesystem::path& file, std::string_view pool,
                        const std::vector<Event>& events) {
  fmt::memory_buffer text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out,
                 "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
                 "{{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{{\"name\":{}}}}}",
                 quoted(pool));
  // Threads reach the ring out of order by a little; viewers want counters sorted.
  std::vector<Event> sorted = events;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Event& a, const Event& b) { return a.start < b.start; });
  for (const Event& e : sorted) {
    const double ts = microseconds(e.start - sorted.front().start);
    fmt::format_to(
        out,
        ",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":{},\"ts\":{:.3f},\"dur\":{:.3f},\"name\":\"{}\",\"cat\":\"{}\","
        "\"args\":{{\"address\":\"{}\",\"bytes\":{}}}}}",
        e.thread, ts, microseconds(e.duration), e.allocates ? "allocate" : "free", to_string(e.tag),
        fmt::ptr(e.block), e.bytes);
    fmt::format_to(
        out, ",\n{{\"ph\":\"C\",\"pid\":1,\"ts\":{:.3f},\"name\":\"live bytes\",\"args\":{{\"bytes\":{}}}}}",
        ts + microseconds(e.duration), e.live_bytes);
  }
  fmt::format_to(out, "\n]}}\n");
  AtomicFile atomic(file);
  atomic.write(as_bytes(std::string_view(text.data(), text.size())));
  atomic.commit();
}

}  // namespace sterna::tracking
