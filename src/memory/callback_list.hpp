// Callbacks that come and go while others of them run.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "sterna/registration.hpp"

namespace sterna {

/// What a Registration and its list share.
struct Registration::Entry {
  Entry() = default;
  virtual ~Entry() = default;
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  /// Frees what the callback holds; called at the end, unless the callback runs, which then ends with the
  /// entry.
  virtual void drop() noexcept = 0;

  std::recursive_mutex running;  ///< held while the callback runs; it may end its own registration
  bool runs = false;
  std::atomic<bool> live{true};  ///< until its Registration ends
};

/// Calls happen outside the list's lock, so that a callback may add to the list and end registrations.
template <class Data, class Signature>
class CallbackList {
 public:
  struct Entry final : Registration::Entry {
    Entry(Data d, std::function<Signature> f) : data(std::move(d)), function(std::move(f)) {}
    void drop() noexcept override { function = nullptr; }

    /// f(function), when the registration has not ended; tells whether.
    template <class F>
    bool call(F&& f) {
      const std::lock_guard lock(running);
      if (!live || runs) return false;  // runs: called by itself
      struct Mark {
        bool& flag;
        explicit Mark(bool& b) : flag(b) { flag = true; }
        ~Mark() { flag = false; }
      } const mark(runs);
      f(function);
      return true;
    }

    Data data;
    std::function<Signature> function;
  };

  std::shared_ptr<Entry> add(Data data, std::function<Signature> function) {
    auto entry = std::make_shared<Entry>(std::move(data), std::move(function));
    const std::lock_guard lock(mutex_);
    forget_ended();
    entries_.push_back(entry);
    return entry;
  }

  /// Those that are registered now, in the order in which they came.
  std::vector<std::shared_ptr<Entry>> entries() {
    const std::lock_guard lock(mutex_);
    forget_ended();
    return entries_;
  }

 private:
  /// An entry that the list alone holds has no Registration any more.
  void forget_ended() {
    std::erase_if(entries_, [](const auto& entry) { return entry.use_count() == 1; });
  }

  std::mutex mutex_;
  std::vector<std::shared_ptr<Entry>> entries_;
};

}  // namespace sterna
