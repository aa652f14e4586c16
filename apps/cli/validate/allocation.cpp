// Allocation: how long a block takes to get and to give back, beside the C library and two well-known
// allocators.
#include <fmt/format.h>

#include "memory/measure.hpp"
#include "validate/measures.hpp"

namespace sterna::cli {
namespace {

std::string size_text(std::size_t bytes) {
  if (bytes >= 1 << 20) return fmt::format("{} MiB", bytes >> 20);
  return bytes >= 1 << 10 ? fmt::format("{} KiB", bytes >> 10) : fmt::format("{} B", bytes);
}

Figure figure(const memory::AllocationTimes& times) {
  return {times.p50, times.p50_low, times.p50_high};
}

}  // namespace

PromiseResult measure_allocation(const ValidateOptions& options, const Progress& progress) {
  constexpr std::size_t kSizes[] = {64, 1 << 10, 64 << 10, 1 << 20, 4 << 20, 64 << 20};
  constexpr std::size_t kPromised = 4 << 20;
  const double seconds = options.quick ? 0.005 : 0.02;
  const int repetitions = options.quick ? 3 : 7;
  const memory::Allocator ours = memory::sterna_allocator(), libc = memory::libc_allocator();
  const std::vector<memory::Allocator> others = memory::other_allocators();
  std::vector<unsigned> thread_counts{1};
  if (options.threads > 1) thread_counts.push_back(options.threads);
  std::vector<PromiseCase> cases;
  std::size_t step = 0;
  std::string wrong;
  for (const unsigned threads : thread_counts) {
    for (const std::size_t bytes : kSizes) {
      progress(step++, std::size(kSizes) * thread_counts.size(), "allocation");
      const auto times = memory::allocation_times(ours, bytes, threads, seconds, repetitions);
      PromiseCase each{
          .name = fmt::format("{}, {} thread{}", size_text(bytes), threads, threads == 1 ? "" : "s"),
          .unit = "ns",
          .baseline_name = libc.name,
          .baseline = figure(memory::allocation_times(libc, bytes, threads, seconds, repetitions)),
          .ours = figure(times),
          .counts = bytes <= kPromised};
      each.value = times.p50;
      each.remark = fmt::format("p99 {:.0f}", times.p99);
      if (!times.correct) wrong = each.name;
      for (const memory::Allocator& other : others) {
        each.remark += fmt::format(", {} {:.0f}", other.name,
                                   memory::allocation_times(other, bytes, threads, seconds, repetitions).p50);
      }
      cases.push_back(std::move(each));
    }
  }
  progress(step, step, "allocation");
  PromiseResult result = judged(promise_of("allocation"), std::move(cases));
  if (!wrong.empty()) {
    result.verdict = Verdict::Broken;
    result.reason = "a block was not aligned or lost its contents: " + wrong;
  }
  return result;
}

}  // namespace sterna::cli
