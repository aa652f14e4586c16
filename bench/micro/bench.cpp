#include "bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/checked.hpp"

namespace sterna::bench {
namespace {

constexpr std::size_t kBeyondCaches = std::size_t{256} << 20;

std::unique_ptr<ThreadPool>& the_pool() {
  static auto pool = std::make_unique<ThreadPool>(1);
  return pool;
}

}  // namespace

ThreadPool& pool() {
  return *the_pool();
}
void set_threads(unsigned threads) {
  the_pool() = std::make_unique<ThreadPool>(threads);
}

void fail(const std::string& benchmark, const std::string& what) {
  fmt::print(stderr, "{}: WRONG RESULT, not timed: {}\n", benchmark, what);
  std::exit(1);
}

Copies::Copies(Bytes matrix)
    : size_(round_up<std::size_t>(matrix.size(), AlignedBuffer::kAlignment)),
      count_(std::max<std::size_t>(1, kBeyondCaches / size_)),
      memory_(size_ * count_) {
  for (std::size_t i = 0; i < count_; ++i) {
    std::memcpy(memory_.data() + i * size_, matrix.data(), matrix.size());
  }
}

const std::byte* Copies::next() noexcept {
  at_ = (at_ + 1) % count_;
  return memory_.data() + at_ * size_;
}

void report(benchmark::State& state, double bytes, double operations) {
  using benchmark::Counter;
  const auto runs = static_cast<double>(state.iterations());
  if (bytes > 0) state.counters["GB/s"] = Counter(bytes * runs / 1e9, Counter::kIsRate);
  if (operations > 0) state.counters["Gop/s"] = Counter(operations * runs / 1e9, Counter::kIsRate);
}

/// What a kernel that only read its weights would reach.
void register_reading() {
  benchmark::RegisterBenchmark("read", [](benchmark::State& state) {
    const AlignedBuffer memory(kBeyondCaches);
    std::memset(memory.data(), 1, memory.size());  // so that every page exists
    const auto* words = reinterpret_cast<const std::uint64_t*>(memory.data());
    for (auto _ : state) {
      pool().parallel_for(memory.size() / 8, 512, [&](std::size_t begin, std::size_t end, unsigned) {
        std::uint64_t all = 0;
        for (std::size_t i = begin; i < end; ++i) all |= words[i];
        benchmark::DoNotOptimize(all);
      });
    }
    report(state, static_cast<double>(memory.size()), 0);
  })->UseRealTime();
}

}  // namespace sterna::bench
