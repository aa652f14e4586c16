// What the micro-benchmarks share: the threads, weights that lie in memory and not in a cache, and reports.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

#include "base/bytes.hpp"
#include "memory/aligned_buffer.hpp"
#include "platform/thread_pool.hpp"

namespace sterna::bench {

/// The threads every benchmark runs on: `--threads N`, 1 unless said.
ThreadPool& pool();
void set_threads(unsigned threads);

/// Says what differs and ends the program with 1: a kernel that is wrong is not timed.
[[noreturn]] void fail(const std::string& benchmark, const std::string& what);

/// Several copies of a matrix, together beyond every cache: the way a model's layers follow each other.
class Copies {
 public:
  explicit Copies(Bytes matrix);
  /// Another copy than the last time.
  const std::byte* next() noexcept;

 private:
  std::size_t size_;
  std::size_t count_;
  std::size_t at_ = 0;
  AlignedBuffer memory_;
};

/// Reports bytes read and operations per second; a multiplication and an addition are two operations.
void report(benchmark::State& state, double bytes, double operations);

using Random = std::minstd_rand;

void register_reading();
void register_ternary();
void register_dense();
void register_screen();
void register_attention();
void register_float_ops();

}  // namespace sterna::bench
