#include "memory/measure.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <thread>
#include <utility>

#include "base/checked.hpp"
#include "sterna/memory.hpp"

namespace sterna::memory {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBatch = 64;  // pairs between two looks at the clock, so that the clock costs them nothing

double nanoseconds(Clock::duration d) {
  return std::chrono::duration<double, std::nano>(d).count();
}

double quantile(std::vector<double>& values, double q) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

double clock_overhead() {
  std::vector<double> gaps;
  for (int i = 0; i < 10'000; ++i) {
    const auto start = Clock::now();
    gaps.push_back(nanoseconds(Clock::now() - start));
  }
  return quantile(gaps, 0.5);
}

struct Samples {
  std::vector<double> batches, singles;
  bool correct = true;
};

/// The pair that is timed. The first byte is written, as whoever wants a block does.
inline void pair(const Allocator& allocator, std::size_t bytes) {
  void* const block = allocator.allocate(bytes);
  *static_cast<volatile char*>(block) = 1;
  allocator.free(block);
}

bool check(const Allocator& allocator, std::size_t bytes) {
  auto* const first = static_cast<unsigned char*>(allocator.allocate(bytes));
  auto* const second = static_cast<unsigned char*>(allocator.allocate(bytes));
  first[0] = first[bytes - 1] = 1;
  second[0] = second[bytes - 1] = 2;
  const bool correct = first[0] == 1 && first[bytes - 1] == 1 &&
                       reinterpret_cast<std::uintptr_t>(first) % 64 == 0 &&
                       reinterpret_cast<std::uintptr_t>(second) % 64 == 0;
  allocator.free(first);
  allocator.free(second);
  return correct;
}

void sample(const Allocator& allocator, std::size_t bytes, double seconds, double overhead,
            Samples& samples) {
  samples.correct = check(allocator, bytes);
  for (int i = 0; i < kBatch; ++i) pair(allocator, bytes);  // what only the first do
  const auto half = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds / 2));
  for (const auto end = Clock::now() + half;;) {
    const auto start = Clock::now();
    for (int i = 0; i < kBatch; ++i) pair(allocator, bytes);
    const auto now = Clock::now();
    samples.batches.push_back(nanoseconds(now - start) / kBatch);
    if (now >= end) break;
  }
  for (const auto end = Clock::now() + half;;) {
    const auto start = Clock::now();
    pair(allocator, bytes);
    const auto now = Clock::now();
    samples.singles.push_back(std::max(0.0, nanoseconds(now - start) - overhead));
    if (now >= end) break;
  }
}

}  // namespace

Allocator sterna_allocator() {
  MemoryPool& pool = default_pool();
  return {"sterna", [&pool](std::size_t bytes) { return pool.allocate(bytes); },
          [&pool](void* block) { pool.deallocate(block); }};
}

Allocator libc_allocator() {
  return {"libc", [](std::size_t bytes) { return std::aligned_alloc(64, round_up<std::size_t>(bytes, 64)); },
          [](void* block) { std::free(block); }};
}

std::vector<Allocator> other_allocators() {
  struct Row {
    const char* name;
    const char* library;
    const char* allocate;  // (alignment, bytes) or (bytes, alignment)
    const char* free;
    bool alignment_first;
  };
  constexpr Row kRows[] = {{"mimalloc", "libmimalloc.so.2", "mi_malloc_aligned", "mi_free", false},
                           {"jemalloc", "libjemalloc.so.2", "aligned_alloc", "free", true}};
  using Allocate = void* (*)(std::size_t, std::size_t);
  using Free = void (*)(void*);
  std::vector<Allocator> found;
  for (const Row& row : kRows) {
    void* const library = ::dlopen(row.library, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) continue;
    const auto allocate = reinterpret_cast<Allocate>(::dlsym(library, row.allocate));
    const auto release = reinterpret_cast<Free>(::dlsym(library, row.free));
    if (allocate == nullptr || release == nullptr) continue;
    if (row.alignment_first) {
      found.push_back(
          {row.name, [allocate](std::size_t bytes) { return allocate(64, round_up<std::size_t>(bytes, 64)); },
           release});
    } else {
      found.push_back({row.name, [allocate](std::size_t bytes) { return allocate(bytes, 64); }, release});
    }
  }
  return found;
}

AllocationTimes allocation_times(const Allocator& allocator, std::size_t bytes, unsigned threads,
                                 double seconds, int repetitions) {
  const double overhead = clock_overhead();
  AllocationTimes times;
  std::vector<double> p50, p99;
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    std::vector<Samples> samples(threads);
    std::atomic<unsigned> waiting{threads};
    const auto work = [&](unsigned i) {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      sample(allocator, bytes, seconds, overhead, samples[i]);
    };
    std::vector<std::thread> others;
    for (unsigned i = 1; i < threads; ++i) others.emplace_back(work, i);
    work(0);
    for (std::thread& thread : others) thread.join();
    Samples all;
    for (const Samples& s : samples) {
      all.batches.insert(all.batches.end(), s.batches.begin(), s.batches.end());
      all.singles.insert(all.singles.end(), s.singles.begin(), s.singles.end());
      times.correct &= s.correct;
    }
    p50.push_back(quantile(all.batches, 0.5));
    p99.push_back(quantile(all.singles, 0.99));
  }
  const auto [low, high] = std::minmax_element(p50.begin(), p50.end());
  times.p50_low = *low;
  times.p50_high = *high;
  times.p50 = quantile(p50, 0.5);
  times.p99 = quantile(p99, 0.5);
  return times;
}

}  // namespace sterna::memory
