// One thread after the other, where a callback may come back by mistake.
#pragma once

#include <atomic>
#include <mutex>
#include <string_view>
#include <thread>

#include "sterna/error.hpp"

namespace sterna {

/// A mutex that notices when the thread which holds it asks for it again, as a callback does that calls what
/// called it.
class Turns {
 public:
  class Turn {
   public:
    explicit Turn(Turns& turns) : turns_(turns) { turns_.holder_ = std::this_thread::get_id(); }
    ~Turn() {
      turns_.holder_ = std::thread::id();
      turns_.mutex_.unlock();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Turns& turns_;
  };

  /// Waits for the turn, which lasts as long as the result. Throws InvalidArgument (function) when this
  /// thread has it.
  [[nodiscard]] Turn take(std::string_view function) {
    if (holder_ == std::this_thread::get_id()) {
      throw Error(ErrorCategory::InvalidArgument, "called by a callback of its own",
                  {{"function", std::string(function)}});
    }
    mutex_.lock();
    return Turn(*this);
  }

 private:
  std::mutex mutex_;
  std::atomic<std::thread::id> holder_{};
};

}  // namespace sterna
