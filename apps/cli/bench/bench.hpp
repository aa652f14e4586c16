// What `bench` measures.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/machine.hpp"
#include "sterna/log.hpp"
#include "sterna/model.hpp"
#include "sterna/session.hpp"

namespace sterna::cli {

struct BenchOptions {
  std::vector<std::uint32_t> prompts;    ///< tokens of each prompt test
  std::vector<std::uint32_t> generated;  ///< tokens of each generation test
  std::vector<std::uint32_t> depths{0};  ///< tokens that the cache holds before a test; every test at each
  std::vector<unsigned> threads;
  unsigned repetitions = 3;
  bool roofline = false;   ///< measure the peaks of arithmetic too
  SessionOptions session;  ///< context and threads are set for each test
};

enum class BenchKind : std::uint8_t { Prompt, Generate };
std::string_view to_string(BenchKind kind) noexcept;  ///< "prompt", "generate"

struct BenchResult {
  BenchKind kind;
  std::uint32_t tokens;
  std::uint32_t depth;
  unsigned threads;
  std::vector<double> rates;  ///< tokens/s of each repetition, in order
  /// Tokens/s if nothing but reading the weights took time: read bandwidth / bytes per token; a prompt reads
  /// them once per batch.
  double limit = 0;
};
/// "generate 64", "generate 64 after 4000"
std::string title(const BenchResult& test);

struct BenchReport {
  std::vector<BenchResult> results;
  MachineRates machine;
  std::uint64_t bandwidth_buffer = 0;  ///< bytes read in a pass
};

/// One unmeasured round, then `repetitions` rounds of every test, the tests taking turns so that a slow spell
/// of the machine hits all of them. Every number of threads and depth has a session of its own, whose cache
/// is filled once, by evaluating a prompt of random ids as any prompt; a test is then taken back from it.
/// Throws Internal when a test's output differs between rounds or thread counts: a figure for wrong output is
/// worth nothing.
BenchReport run_bench(const std::shared_ptr<const Model>& model, const BenchOptions& options,
                      const Progress& progress);

}  // namespace sterna::cli
