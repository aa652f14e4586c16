// The threads that share the work of one operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

namespace sterna {

/// A call to a callable that outlives it; never allocates.
template <class Signature>
class FunctionRef;

template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> && std::is_invocable_r_v<R, F&, Args...>)
      FunctionRef(F&& f)
  noexcept  // NOLINT(google-explicit-constructor): a view, as std::string_view is
      : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* o, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(o))(static_cast<Args&&>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, static_cast<Args&&>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

/// A fixed team of `size()` threads: the caller is number 0, the others are the pool's, pinned one to a core
/// when the team is not larger than the machine. They spin shortly for the next operation, then sleep.
///
/// One operation at a time: calls from several threads take turns.
class ThreadPool {
 public:
  /// `threads` = 0 takes the machine's physical cores (those this process may run on).
  explicit ThreadPool(unsigned threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned size() const noexcept;

  /// Calls work(begin, end, thread) on every thread with a non-empty share of [0, n) and returns when all
  /// have finished. Shares are contiguous, in thread order, multiples of `grain` but the last, and depend
  /// only on n, grain and size(). `work` must not throw and must not call the pool. Never allocates.
  void parallel_for(std::size_t n, std::size_t grain,
                    FunctionRef<void(std::size_t begin, std::size_t end, unsigned thread)> work);

  /// Calls work(item, thread) once for every item of [0, items) and returns when all have finished. Thread t
  /// begins with item t, unless it comes so late that another has done it, then each takes the next when it
  /// is done with one. Who computes what is not known before. Terms as for parallel_for.
  void deal(std::size_t items, FunctionRef<void(std::size_t item, unsigned thread)> work);

  /// The same. `ahead(thread)` is asked of a thread when no item is left: memory that it reads into its
  /// caches while it waits for the others and for the next operation, which ends it. May be no longer there,
  /// and need never have been: it is only a wish.
  void deal(std::size_t items, FunctionRef<void(std::size_t item, unsigned thread)> work,
            FunctionRef<std::span<const std::byte>(unsigned thread)> ahead);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sterna
