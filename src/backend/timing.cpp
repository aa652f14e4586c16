#include "backend/timing.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "platform/cpu.hpp"

namespace sterna {
namespace {

/// "12.34 13.10" of microseconds; nothing for anything else.
std::optional<Timing> parse_timing(const std::string& text) {
  char* end = nullptr;
  const double median = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end != ' ') return std::nullopt;
  const char* const second = end + 1;
  const double slow = std::strtod(second, &end);
  if (end == second || *end != '\0') return std::nullopt;
  if (!std::isfinite(median) || !std::isfinite(slow) || median <= 0 || slow < median) return std::nullopt;
  return Timing{median * 1e-6, slow * 1e-6};
}

/// "simd/avx512 12.34 13.10; simd/avx2 …", if those are the candidates.
std::vector<Timing> parse(const std::string& line, std::span<const Candidate> candidates) {
  std::vector<Timing> timings;
  std::size_t at = 0;
  for (const Candidate& candidate : candidates) {
    const std::size_t end = std::min(line.find("; ", at), line.size());
    const std::string name = name_of(candidate) + " ";
    if (at > end || line.compare(at, name.size(), name) != 0 || at + name.size() > end) return {};
    const auto timing = parse_timing(line.substr(at + name.size(), end - at - name.size()));
    if (!timing) return {};
    timings.push_back(*timing);
    at = end + 2;
  }
  return at >= line.size() + 2 ? timings : std::vector<Timing>{};
}

std::string written(std::span<const Timing> timings, std::span<const Candidate> candidates) {
  std::string line;
  for (std::size_t i = 0; i < timings.size(); ++i) {
    line += fmt::format("{}{} {:.2f} {:.2f}", i == 0 ? "" : "; ", name_of(candidates[i]),
                        timings[i].median * 1e6, timings[i].slow * 1e6);
  }
  return line;
}

}  // namespace

std::string to_string(const Question& question) {
  return fmt::format("{} {} {} {}", to_string(question.operation), name(question.dtype),
                     to_string(question.batch), question.in_cache ? "in cache" : "beyond cache");
}

std::string name_of(const Candidate& candidate) {
  return std::string(candidate.backend->name) + "/" + std::string(candidate.variant);
}

ChoiceCache backend_cache() {
  return ChoiceCache(ChoiceCache::default_path("backends"));
}

std::string measured_key(unsigned threads, const std::string& question) {
  return machine_key() + std::to_string(threads) + " threads; " + question;
}

Timings::Timings(MeasureTimings measure, ChoiceCache cache, unsigned threads)
    : measure_(std::move(measure)), cache_(std::move(cache)), threads_(threads) {}

Timings::Answer Timings::of(const Question& question, std::span<const Candidate> candidates) const {
  const std::string key = measured_key(threads_, to_string(question));
  if (const auto line = cache_.find(key)) {
    if (auto timings = parse(*line, candidates); !timings.empty()) return {std::move(timings), true};
  }
  std::vector<Timing> timings = measure_(question, candidates);
  cache_.remember(key, written(timings, candidates));
  return {std::move(timings), false};
}

}  // namespace sterna
