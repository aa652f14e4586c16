#include "platform/thread_pool.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "base/checked.hpp"
#include "base/read_streams.hpp"
#include "platform/cpu.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr unsigned kMaxThreads = 4096;

// The operations of one token follow each other within microseconds, while going to sleep and waking costs
// tens of them; a virtual processor that its host takes away for a moment must not send the others to sleep.
// Sampling from a large vocabulary takes a few hundred microseconds; longer is not polite.
constexpr auto kSpin = std::chrono::microseconds(1000);

void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// What a thread reads while it waits.
struct alignas(kCacheLine) Ahead {
  const std::byte* at = nullptr;
  const std::byte* end = nullptr;
};

struct Share {
  std::size_t begin;
  std::size_t end;
};

/// Thread `thread`'s part of [0, n): whole grains, spread evenly, the first threads taking one more.
Share share_of(std::size_t n, std::size_t grain, unsigned thread, unsigned threads) noexcept {
  const std::size_t grains = ceil_div(n, grain);
  const std::size_t each = grains / threads;
  const std::size_t more = grains % threads;
  const std::size_t first = thread * each + std::min<std::size_t>(thread, more);
  const std::size_t last = first + each + (thread < more);
  return {first == grains ? n : first * grain, last == grains ? n : last * grain};
}

/// One processor for each of the pool's own threads, or none when they are not to be pinned. The caller
/// keeps the core it runs on now, unpinned.
std::vector<unsigned> processors_for_workers(unsigned threads) {
  const CpuInfo& cpu = cpu_info();
  if (threads > cpu.physical_cores) return {};
  std::vector<unsigned> processors = cpu.core_cpus;
  const int here = ::sched_getcpu();
  const auto callers = std::find(processors.begin(), processors.end(), static_cast<unsigned>(here));
  processors.erase(here >= 0 && callers != processors.end() ? callers : processors.begin());
  return processors;
}

void pin_this_thread(unsigned processor) noexcept {
  if (processor >= CPU_SETSIZE) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);  // a wish: refusal costs speed only
}

}  // namespace

struct ThreadPool::State {
  using Work = FunctionRef<void(std::size_t, std::size_t, unsigned)>;

  unsigned size = 1;
  bool spin = true;
  std::mutex turn;  ///< held by the caller whose operation runs

  // The operation, written by the caller before it raises `started` and constant until `running` is 0.
  const Work* work = nullptr;
  std::size_t n = 0;
  std::size_t grain = 1;

  alignas(64) std::atomic<std::uint32_t> started{0};  ///< counts operations; workers wait for a change
  alignas(64) std::atomic<std::uint32_t> running{0};  ///< workers that have not finished this operation
  std::atomic<bool> stop{false};
  alignas(64) std::atomic<std::uint64_t> begun{0};  ///< of items that are dealt: bit t says that item t is
  std::atomic<std::size_t> next{0};                 ///< of those after them
  std::vector<Ahead> ahead;                         ///< [threads], each its own thread's
  std::vector<std::thread> workers;

  /// Returns when `value` is no longer `old`.
  void wait_while(const std::atomic<std::uint32_t>& value, std::uint32_t old, Ahead& bytes) const noexcept {
    if (spin) {
      const auto deadline = std::chrono::steady_clock::now() + kSpin;
      do {
        for (int i = 0; i < 32; ++i) {
          if (value.load(std::memory_order_acquire) != old) return;
          if (bytes.at >= bytes.end) {
            relax();
          } else {
            __builtin_prefetch(bytes.at, 0, 2);  // into the second-level cache
            bytes.at += kCacheLine;
          }
        }
      } while (std::chrono::steady_clock::now() < deadline);
    }
    value.wait(old, std::memory_order_acquire);
  }

  void run_share(unsigned thread) {
    ahead[thread] = {};
    const Share share = share_of(n, grain, thread, size);
    if (share.begin < share.end) (*work)(share.begin, share.end, thread);
  }

  void serve(unsigned thread) noexcept {
    for (std::uint32_t seen = 0;; ++seen) {
      wait_while(started, seen, ahead[thread]);
      if (stop.load(std::memory_order_relaxed)) return;
      run_share(thread);
      if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) running.notify_one();
    }
  }

  /// parallel_for, for a caller that holds `turn` and has more than one share.
  void run(std::size_t count, std::size_t of_grain, Work of_all) {
    work = &of_all;
    n = count;
    grain = of_grain;
    running.store(size - 1, std::memory_order_relaxed);
    started.fetch_add(1, std::memory_order_release);
    started.notify_all();
    run_share(0);
    for (std::uint32_t left; (left = running.load(std::memory_order_acquire)) != 0;) {
      wait_while(running, left, ahead[0]);
    }
  }

  /// deal, on one of the threads.
  void take_items(std::size_t items, unsigned thread, FunctionRef<void(std::size_t, unsigned)> of_item) {
    const auto own = static_cast<unsigned>(std::min<std::size_t>({items, size, 64}));
    const auto begin = [&](unsigned item) {
      const std::uint64_t bit = std::uint64_t{1} << item;
      if ((begun.fetch_or(bit, std::memory_order_relaxed) & bit) == 0) of_item(item, thread);
    };
    if (thread < own) begin(thread);
    for (std::size_t i; (i = own + next.fetch_add(1, std::memory_order_relaxed)) < items;) of_item(i, thread);
    // What a thread was to begin with that is not yet here.
    const std::uint64_t all = ~std::uint64_t{0} >> (64 - own);
    for (std::uint64_t left; (left = all & ~begun.load(std::memory_order_relaxed)) != 0;) {
      begin(static_cast<unsigned>(std::countr_zero(left)));
    }
  }

  void stop_workers() noexcept {
    stop.store(true, std::memory_order_relaxed);
    started.fetch_add(1, std::memory_order_release);
    started.notify_all();
    for (std::thread& worker : workers) worker.join();
  }
};

ThreadPool::ThreadPool(unsigned threads) : state_(std::make_unique<State>()) {
  if (threads > kMaxThreads) {
    throw Error(ErrorCategory::InvalidArgument, "too many threads",
                {{"found", std::to_string(threads)}, {"expected", "at most " + std::to_string(kMaxThreads)}});
  }
  State& state = *state_;
  state.size = threads == 0 ? cpu_info().physical_cores : threads;
  state.ahead.resize(state.size);
  if (state.size == 1) return;
  const std::vector<unsigned> processors = processors_for_workers(state.size);
  state.spin = state.size <= cpu_info().logical_cores;  // else it would stand in the way of working threads
  state.workers.reserve(state.size - 1);
  try {
    for (unsigned thread = 1; thread < state.size; ++thread) {
      const int processor = processors.empty() ? -1 : static_cast<int>(processors[thread - 1]);
      state.workers.emplace_back([&state, thread, processor] {
        if (processor >= 0) pin_this_thread(static_cast<unsigned>(processor));
        state.serve(thread);
      });
    }
  } catch (const std::system_error& error) {
    const std::size_t made = state.workers.size() + 1;
    state.stop_workers();
    throw Error(ErrorCategory::Limit, "the system refuses more threads",
                {{"found", std::to_string(made)},
                 {"expected", std::to_string(state.size)},
                 {"reason", error.code().message()}});
  }
}

ThreadPool::~ThreadPool() {
  state_->stop_workers();
}

unsigned ThreadPool::size() const noexcept {
  return state_->size;
}

void ThreadPool::parallel_for(std::size_t n, std::size_t grain,
                              FunctionRef<void(std::size_t begin, std::size_t end, unsigned thread)> work) {
  State& state = *state_;
  if (n == 0) return;
  grain = std::max<std::size_t>(grain, 1);
  const std::lock_guard lock(state.turn);
  if (state.size == 1 || n <= grain) {  // one share: nobody to wake
    work(0, n, 0);
    return;
  }
  state.run(n, grain, work);
}

void ThreadPool::deal(std::size_t items, FunctionRef<void(std::size_t item, unsigned thread)> work) {
  deal(items, work, [](unsigned) { return std::span<const std::byte>(); });
}

void ThreadPool::deal(std::size_t items, FunctionRef<void(std::size_t item, unsigned thread)> work,
                      FunctionRef<std::span<const std::byte>(unsigned thread)> ahead) {
  State& state = *state_;
  const std::lock_guard lock(state.turn);
  if (state.size == 1 || items <= 1) {  // nobody to wake
    for (std::size_t item = 0; item < items; ++item) work(item, 0);
    return;
  }
  state.begun.store(0, std::memory_order_relaxed);
  state.next.store(0, std::memory_order_relaxed);
  const auto take = [&](std::size_t, std::size_t, unsigned thread) {
    state.take_items(items, thread, work);
    const std::span<const std::byte> bytes = ahead(thread);
    state.ahead[thread] = {bytes.data(), bytes.data() + bytes.size()};
  };
  state.run(state.size, 1, take);
}

}  // namespace sterna
