// Ctrl-C.
#pragma once

namespace sterna {
class Session;
}

namespace sterna::cli {

/// While one of these lives, SIGINT, SIGTERM and SIGHUP do not end the program: they cancel the session
/// given, if any, and are remembered. With `second_ends`, the second one ends the program at once. One at a
/// time.
class InterruptGuard {
 public:
  explicit InterruptGuard(Session* session = nullptr, bool second_ends = true);
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// The signal that came since the guard was made or clear() was called, or 0.
  static int signal() noexcept;
  static void clear() noexcept;
  /// Throws Cancelled once a signal has come: for work that is left by an exception.
  static void check();
  /// Waits until a read from the file will not block: true; or until a signal has come: false.
  static bool wait_readable(int fd) noexcept;
};

}  // namespace sterna::cli
