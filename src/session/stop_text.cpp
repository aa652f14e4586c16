#include "session/stop_text.hpp"

#include <algorithm>

namespace sterna {

StopText::StopText(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
}

std::string_view StopText::push(std::string_view text) {
  held_ += text;
  std::size_t end = std::string::npos;
  for (const std::string& stop : stops_) end = std::min(end, held_.find(stop));
  if (end != std::string::npos) {
    stopped_ = true;
    out_.assign(held_, 0, end);
    held_.clear();
    return out_;
  }
  // The longest end of the held text that begins a stop text stays.
  std::size_t keep = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) keep = n;
    }
  }
  out_.assign(held_, 0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return out_;
}

std::string_view StopText::finish() {
  out_.swap(held_);
  held_.clear();
  return out_;
}

}  // namespace sterna
