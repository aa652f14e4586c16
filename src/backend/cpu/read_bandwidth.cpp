#include "backend/cpu/read_bandwidth.hpp"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "base/bytes.hpp"
#include "base/checked.hpp"
#include "base/read_streams.hpp"
#include "platform/cpu.hpp"

namespace sterna {
namespace {

// Eight times the last-level cache leaves at most a quarter of half a pass to cache hits; less than 256 MiB
// would end too soon for the clock on machines that read 100 GB/s. An eighth of the memory is all it may
// take.
std::size_t buffer_bytes() {
  const std::uint64_t wanted = std::max<std::uint64_t>(256u << 20, 8 * last_level_cache_bytes());
  const std::uint64_t allowed = std::max<std::uint64_t>(cpu_info().memory_bytes / 8, 64u << 20);
  return static_cast<std::size_t>(std::min(wanted, allowed));
}

constexpr std::size_t kLine = kCacheLine;

// Dealt, as products are: with equal shares a machine whose cores others use too would be measured by the
// slowest of them. Long enough that beginning one costs a hundredth.
constexpr std::size_t kPiece = 4u << 20;

/// One word of every cache line: the line is what memory delivers. Summing all words would measure the
/// additions, at a third of the bandwidth.
std::uint64_t read_lines(const std::byte* from, const std::byte* to) {
  std::uint64_t sum = 0;
  for (; from < to; from += kLine) sum += load_unaligned<std::uint64_t>(from);
  return sum;
}

/// The same in streams, as kernels/cpu/streams-inl.hpp reads with AVX-512.
std::uint64_t read_streams(const std::byte* from, const std::byte* to) {
  std::uint64_t sum = 0;
  const std::size_t done =
      read_in_streams(from, static_cast<std::size_t>(to - from),
                      [&](const std::byte* line) { sum += load_unaligned<std::uint64_t>(line); });
  return sum + read_lines(from + done, to);
}

#ifdef __x86_64__
/// Every byte, as the kernels read: a tenth faster than read_lines where it was measured (Zen 4).
__attribute__((target("avx2"))) std::uint64_t read_avx2(const std::byte* from, const std::byte* to) {
  __m256i a = _mm256_setzero_si256();
  __m256i b = _mm256_setzero_si256();
  for (; from < to; from += kLine) {
    a = _mm256_add_epi64(a, _mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
    b = _mm256_add_epi64(b, _mm256_load_si256(reinterpret_cast<const __m256i*>(from + kLine / 2)));
  }
  a = _mm256_add_epi64(a, b);
  alignas(32) std::uint64_t sums[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(sums), a);
  return sums[0] + sums[1] + sums[2] + sums[3];
}
#endif

std::uint64_t (*fastest_read())(const std::byte*, const std::byte*) {
#ifdef __x86_64__
  if (cpu_info().features & static_cast<CpuFeatures>(CpuFeature::Avx2)) return read_avx2;
#endif
  return read_lines;
}

}  // namespace

ReadBandwidth::ReadBandwidth() : buffer_(buffer_bytes() / kLine * kLine) {
  static_assert(AlignedBuffer::kAlignment % kLine == 0);
  std::memset(buffer_.data(), 1, buffer_.size());  // untouched pages would all be the one page of zeros
}

double ReadBandwidth::measure(ThreadPool& pool, ReadWidth width) {
  if (width == ReadWidth::Word) return rate(pool, read_lines, 0, buffer_.size());
  // Which way is faster is the processor's: half of the buffer in each.
  const std::size_t half = buffer_.size() / kLine / 2 * kLine;
  // The first time the caller may stand on the core of one of the pool's threads, until the system moves it.
  const double first = rate(pool, read_streams, half, 2 * half);
  return std::max({first, rate(pool, fastest_read(), 0, half), rate(pool, read_streams, half, 2 * half)});
}

double ReadBandwidth::rate(ThreadPool& pool, Read read, std::size_t from, std::size_t to) {
  std::atomic<std::uint64_t> sum{0};
  const auto begin = std::chrono::steady_clock::now();
  pool.deal(ceil_div(to - from, kPiece), [&](std::size_t piece, unsigned) {
    const std::size_t first = from + piece * kPiece;
    sum += read(buffer_.data() + first, buffer_.data() + std::min(to, first + kPiece));
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  checksum_ += sum;  // used: the loop cannot be optimised away
  return static_cast<double>(to - from) / seconds;
}

}  // namespace sterna
