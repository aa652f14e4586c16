#include "support/interrupt.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

#include "sterna/error.hpp"
#include "sterna/session.hpp"

namespace sterna::cli {
namespace {

constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP};

// A signal handler may touch lock-free atomics only; Session::cancel is a store to one, by contract.
std::atomic<int> caught{0};
std::atomic<Session*> watched{nullptr};
std::atomic<bool> ends{true};
static_assert(std::atomic<Session*>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

// A byte in it wakes wait_readable(), whichever thread the signal was delivered to and whenever: a flag
// alone could be set between looking at it and waiting.
int wake[2] = {-1, -1};

void on_signal(int signal) {
  const int saved = errno;
  const bool again = caught.exchange(signal) != 0;
  if (again && ends) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return;
  }
  if (Session* session = watched) session->cancel();
  if (::write(wake[1], "", 1) < 0) {
    // Full: it wakes anyway.
  }
  errno = saved;
}

void install(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // waiting is wait_readable's
  for (const int signal : kSignals) sigaction(signal, &action, nullptr);
}

}  // namespace

InterruptGuard::InterruptGuard(Session* session, bool second_ends) {
  if (wake[0] < 0 && ::pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw Error(ErrorCategory::Io, "cannot open a pipe for signals");
  }
  clear();
  watched = session;
  ends = second_ends;
  install(on_signal);
}

InterruptGuard::~InterruptGuard() {
  install(SIG_DFL);
  watched = nullptr;
}

int InterruptGuard::signal() noexcept {
  return caught;
}

void InterruptGuard::clear() noexcept {
  char bytes[16];
  while (::read(wake[0], bytes, sizeof bytes) > 0) {
  }
  caught = 0;
}

bool InterruptGuard::wait_readable(int fd) noexcept {
  pollfd files[] = {{fd, POLLIN, 0}, {wake[0], POLLIN, 0}};
  while (caught == 0) {
    if (::poll(files, 2, -1) > 0 && files[1].revents == 0) return true;
  }
  return false;
}

void InterruptGuard::check() {
  if (caught != 0) throw Error(ErrorCategory::Cancelled, "interrupted");
}

}  // namespace sterna::cli
