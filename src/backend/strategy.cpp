#include "backend/strategy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace sterna {
namespace {

// How much faster than one of higher priority a candidate must be: what is within the noise should not change
// from day to day.
constexpr double kWorthwhile = 1.03;

Pick highest_priority(const Question&, std::span<const Candidate> candidates, const Timings&) {
  return {0, fmt::format("priority {}", candidates.front().backend->priority)};
}

/// The least by a figure of the timings.
Pick fastest(const Question& question, std::span<const Candidate> candidates, const Timings& timings,
             double Timing::*figure) {
  if (candidates.size() == 1) return {0, "the only candidate"};
  const Timings::Answer answer = timings.of(question, candidates);
  std::size_t best = 0;
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    if (answer.of[i].*figure * kWorthwhile < answer.of[best].*figure) best = i;
  }
  std::string why = answer.remembered ? "remembered: " : "measured: ";
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    why += fmt::format("{}{} {:.3g}", i == 0 ? "" : ", ", name_of(candidates[i]), answer.of[i].*figure * 1e6);
  }
  return {best, why + " us"};
}

Pick best_performance(const Question& question, std::span<const Candidate> candidates,
                      const Timings& timings) {
  return fastest(question, candidates, timings, &Timing::median);
}

Pick low_latency(const Question& question, std::span<const Candidate> candidates, const Timings& timings) {
  Question one = question;
  one.batch = Batch::One;
  return fastest(one, candidates, timings, &Timing::slow);
}

Pick low_memory(const Question&, std::span<const Candidate> candidates, const Timings&) {
  const auto found = std::ranges::find(candidates, DeviceKind::Cpu,
                                       [](const Candidate& candidate) { return candidate.backend->device; });
  if (found == candidates.end()) return {0, "every candidate needs a copy of the weights"};
  return {static_cast<std::size_t>(found - candidates.begin()), "uses the weights where they lie"};
}

constexpr std::array kStrategies{
    Strategy{"highest-priority", "the available backend of the highest priority, without measuring",
             highest_priority},
    Strategy{"best-performance", "the least median time, for each operation and class of batches",
             best_performance},
    Strategy{"low-latency", "for all batches what is fastest for one token, nine times in ten", low_latency},
    Strategy{"low-memory", "no second copy of the weights; what is repacked takes the fewest bits",
             low_memory},
};

}  // namespace

std::span<const Strategy> strategy_table() noexcept {
  return kStrategies;
}

}  // namespace sterna
