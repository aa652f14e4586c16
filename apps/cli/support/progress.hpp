// A line on the terminal that shows how far long work is.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "sterna/log.hpp"

namespace sterna::cli {

/// Draws on standard error when that is a terminal, at most ten times a second; nothing elsewhere, and
/// nothing under -q. The line is wiped when the bar is destroyed.
class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void update(std::uint64_t done, std::uint64_t total, std::string_view doing);
  /// Wipes the line, so that something else can be printed.
  void clear();
  /// For the library's long work: draws, once it has lasted a moment, and throws Cancelled after Ctrl-C under
  /// an InterruptGuard. The bar must outlive it.
  Progress callback(std::string_view doing);

 private:
  using Clock = std::chrono::steady_clock;
  bool enabled_;
  bool drawn_ = false;
  std::string doing_;
  Clock::time_point started_;
  Clock::time_point last_;
};

}  // namespace sterna::cli
