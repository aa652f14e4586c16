#include "bench/read_bandwidth.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "base/bytes.hpp"
#include "platform/cpu.hpp"

namespace sterna::cli {
namespace {

// Eight times the last-level cache leaves at most an eighth of a pass to cache hits; less than 256 MiB would
// end too soon for the clock on machines that read 100 GB/s. An eighth of the memory is all it may take.
std::size_t buffer_bytes() {
  const std::uint64_t wanted = std::max<std::uint64_t>(256u << 20, 8 * last_level_cache_bytes());
  const std::uint64_t allowed = std::max<std::uint64_t>(cpu_info().memory_bytes / 8, 64u << 20);
  return static_cast<std::size_t>(std::min(wanted, allowed));
}

constexpr std::size_t kLine = 64;

/// The sum of the 64-bit words of whole cache lines. Eight independent sums keep the loads, not the
/// additions, the limit.
std::uint64_t sum_words(const std::byte* from, const std::byte* to) {
  std::uint64_t sums[8] = {};
  for (; from < to; from += kLine) {
    std::uint64_t words[8];
    std::memcpy(words, from, kLine);
    for (int i = 0; i < 8; ++i) sums[i] += words[i];
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t part : sums) sum += part;
  return sum;
}

}  // namespace

std::uint64_t last_level_cache_bytes() {
  const CpuInfo& cpu = cpu_info();
  const auto last = std::max_element(cpu.caches.begin(), cpu.caches.end(),
                                     [](const auto& a, const auto& b) { return a.level < b.level; });
  if (last == cpu.caches.end()) return 0;
  const unsigned shared_by = std::max(1u, last->shared_by);
  return last->bytes * std::max(1u, (cpu.logical_cores + shared_by - 1) / shared_by);
}

ReadBandwidth::ReadBandwidth() : buffer_(buffer_bytes() / kLine * kLine) {
  std::memset(buffer_.data(), 1, buffer_.size());  // untouched pages would all be the one page of zeros
}

double ReadBandwidth::measure(ThreadPool& pool) {
  std::atomic<std::uint64_t> sum{0};
  const auto begin = std::chrono::steady_clock::now();
  pool.parallel_for(buffer_.size() / kLine, 1, [&](std::size_t first, std::size_t last, unsigned) {
    sum += sum_words(buffer_.data() + first * kLine, buffer_.data() + last * kLine);
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  checksum_ += sum;  // used: the loop cannot be optimised away
  return static_cast<double>(buffer_.size()) / seconds;
}

}  // namespace sterna::cli
