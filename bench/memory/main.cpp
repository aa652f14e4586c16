// Times the memory pool: allocate and free of one block, beside the C library's allocator, mimalloc and
// jemalloc, and what each level of tracking adds.
//
//   memory_bench [--seconds S] [--repetitions N]     S: for each figure, 0.05 unless said; N: 5
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "memory/measure.hpp"
#include "platform/cpu.hpp"
#include "platform/restart.hpp"
#include "sterna/memory.hpp"

namespace {

using sterna::memory::AllocationTimes;
using sterna::memory::Allocator;

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = 1024 * kKiB;

/// The promise: p50 to 64 KiB, p50 to 4 MiB, p99 of both.
bool kept(std::size_t bytes, const AllocationTimes& t) {
  return bytes > 4 * kMiB || (t.p99 < 1000 && (bytes <= 64 * kKiB ? t.p50 <= 30 : t.p50 < 100));
}

std::string size_text(std::size_t bytes) {
  return bytes < kKiB   ? fmt::format("{} B", bytes)
         : bytes < kMiB ? fmt::format("{} KiB", bytes / kKiB)
                        : fmt::format("{} MiB", bytes / kMiB);
}

}  // namespace

int main(int argc, char** argv) {
  sterna::restart_with({{"GLIBC_TUNABLES", "glibc.rtld.optional_static_tls=16384"}});  // room for jemalloc
  double seconds = 0.05;
  int repetitions = 5;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--seconds" && i + 1 < argc) {
      seconds = std::strtod(argv[++i], nullptr);
    } else if (std::string_view(argv[i]) == "--repetitions" && i + 1 < argc) {
      repetitions = std::max(1, std::atoi(argv[++i]));
    } else {
      fmt::print(stderr, "unknown option: {}\n", argv[i]);
      return 2;
    }
  }
  std::vector<Allocator> allocators{sterna::memory::sterna_allocator(), sterna::memory::libc_allocator()};
  for (Allocator& other : sterna::memory::other_allocators()) allocators.push_back(std::move(other));
  if (allocators.size() < 4) fmt::print("mimalloc or jemalloc is not installed: left out\n");

  fmt::print("{}, tracking level {}\n", sterna::cpu_info().name,
             to_string(sterna::default_pool().tracking()));
  fmt::print(
      "ns for allocate + free at multiples of 64 bytes, first byte written: median (lowest to highest of {} "
      "repetitions of {} s), p99\n",
      repetitions, seconds);
  bool correct = true, promise = true;
  for (const unsigned threads : {1u, 2u}) {
    fmt::print("\n{:<8} {:>8}", threads == 1 ? "1 thread" : fmt::format("{} threads", threads), "");
    for (const Allocator& allocator : allocators) fmt::print(" {:>30}", allocator.name);
    fmt::print("\n");
    for (const std::size_t bytes :
         {std::size_t{64}, kKiB, 16 * kKiB, 64 * kKiB, 256 * kKiB, kMiB, 4 * kMiB, 16 * kMiB, 64 * kMiB}) {
      fmt::print("{:>17}", size_text(bytes));
      for (const Allocator& allocator : allocators) {
        const AllocationTimes t = allocation_times(allocator, bytes, threads, seconds, repetitions);
        fmt::print(" {:>7.1f} ({:>6.1f} to {:>7.1f}) {:>5.0f}", t.p50, t.p50_low, t.p50_high, t.p99);
        correct &= t.correct;
        if (&allocator == &allocators.front() && !kept(bytes, t)) {
          promise = false;
          fmt::print("!");
        }
      }
      fmt::print("\n");
    }
  }
  fmt::print("\npromise (p50 <= 30 ns to 64 KiB, < 100 ns to 4 MiB, p99 < 1 us): {}\n\n",
             promise ? "kept" : "NOT KEPT");

  fmt::print("what tracking adds to one operation, 1 KiB, one thread, against off\n");
  double off = 0;
  for (const auto level :
       {sterna::TrackingLevel::Off, sterna::TrackingLevel::Counters, sterna::TrackingLevel::Standard,
        sterna::TrackingLevel::Detailed, sterna::TrackingLevel::Debug}) {
    sterna::HybridMemoryPool pool({.name = "tracked", .tracking = level});
    const Allocator allocator{"", [&](std::size_t bytes) { return pool.allocate(bytes); },
                              [&](void* block) { pool.deallocate(block); }};
    const AllocationTimes t = allocation_times(allocator, kKiB, 1, seconds, repetitions);
    if (level == sterna::TrackingLevel::Off) off = t.p50;
    fmt::print("{:<9} allocate + free {:>8.1f} ns ({:.1f} to {:.1f}), adds {:>7.1f} ns to each\n",
               to_string(level), t.p50, t.p50_low, t.p50_high, (t.p50 - off) / 2);
    correct &= t.correct;
  }
  if (!correct) fmt::print("\nWRONG: a block was not aligned, or lost what was written to it\n");
  return correct ? 0 : 1;
}
