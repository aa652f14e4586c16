// The life of a callback that somebody was given.
#pragma once

#include <memory>

namespace sterna {

/// Keeps a callback registered. When it ends, a call of it that is running on another thread is waited for
/// and none begins afterwards, so the callback may use what its owner destroys next. A callback may end its
/// own registration, and must not wait for a thread that is ending it.
class Registration {
 public:
  struct Entry;

  Registration() = default;
  explicit Registration(std::shared_ptr<Entry> entry) noexcept : entry_(std::move(entry)) {}
  ~Registration() { reset(); }
  Registration(Registration&&) noexcept = default;
  Registration& operator=(Registration&& other) noexcept {
    reset();
    entry_ = std::move(other.entry_);
    return *this;
  }

  /// Ends it now.
  void reset() noexcept;
  explicit operator bool() const noexcept { return entry_ != nullptr; }

 private:
  std::shared_ptr<Entry> entry_;
};

}  // namespace sterna
