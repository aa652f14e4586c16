#include "support/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "support/interrupt.hpp"
#include "support/output.hpp"

namespace sterna::cli {
namespace {

constexpr std::size_t kWidth = 30;                          // of the bar; the whole line fits 80 columns
constexpr auto kInterval = std::chrono::milliseconds(100);  // between two drawings
constexpr auto kPatience = std::chrono::milliseconds(300);  // a bar that only flashes is noise
constexpr auto kEstimateAfter = std::chrono::seconds(1);    // before that, a rate says little
constexpr std::string_view kWipe = "\r\x1b[K";

void draw(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

ProgressBar::ProgressBar() : enabled_(!verbosity.quiet && isatty(STDERR_FILENO) != 0) {}

ProgressBar::~ProgressBar() {
  clear();
}

void ProgressBar::clear() {
  if (drawn_) draw(kWipe);
  drawn_ = false;
}

void ProgressBar::update(std::uint64_t done, std::uint64_t total, std::string_view doing) {
  if (!enabled_ || total == 0) return;
  const auto now = Clock::now();
  if (doing != doing_) {  // the next stretch of work has its own clock
    doing_ = doing;
    started_ = now;
    last_ = {};
  }
  if (now - last_ < kInterval) return;
  last_ = now;
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(kWidth));
  std::string line = fmt::format("{}{:<20.20} [{}{}] {:3.0f} %", kWipe, doing_, std::string(filled, '#'),
                                 std::string(kWidth - filled, '.'), share * 100);
  if (now - started_ > kEstimateAfter && share > 0) {
    const double spent = std::chrono::duration<double>(now - started_).count();
    const double left = spent * (1 - share) / share;
    line += left < 60 ? fmt::format("  {:.0f} s left", left) : "  " + format_seconds(left) + " left";
  }
  draw(line);
  drawn_ = true;
}

Progress ProgressBar::callback(std::string_view doing) {
  return [this, doing = std::string(doing), begin = Clock::now()](
             unsigned long long done, unsigned long long total, std::string_view) {
    InterruptGuard::check();
    if (Clock::now() - begin > kPatience) update(done, total, doing);
  };
}

}  // namespace sterna::cli
