// How long an allocator takes, whichever it is.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace sterna::memory {

struct Allocator {
  std::string name;
  std::function<void*(std::size_t bytes)> allocate;  // at multiples of 64
  std::function<void(void* block)> free;
};

/// This library's default pool, and the C library's aligned_alloc.
Allocator sterna_allocator();
Allocator libc_allocator();
/// mimalloc and jemalloc, where the system has their shared libraries: loaded beside the C library's, which
/// they do not replace. jemalloc needs room for its thread-local data, some kilobytes in a block that is laid
/// out when the program starts: GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384 makes it.
std::vector<Allocator> other_allocators();
/// Nanoseconds of one allocate and one free, in a thread that does nothing else while others do the same.
struct AllocationTimes {
  double p50 = 0;                    ///< median of the means of 64 pairs each
  double p50_low = 0, p50_high = 0;  ///< of the repetitions' medians
  double p99 = 0;                    ///< of single pairs, the clock's own time taken off
  bool correct = true;               ///< every block was aligned, and held what was written to its ends
};

/// `repetitions` times `seconds` of it; the figures are medians of the repetitions'.
AllocationTimes allocation_times(const Allocator& allocator, std::size_t bytes, unsigned threads,
                                 double seconds, int repetitions);

}  // namespace sterna::memory
