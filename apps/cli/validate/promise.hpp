// What Sterna promises, how each promise is measured, and what came of it on this machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/log.hpp"

namespace sterna::cli {

/// What repetitions gave: their median, first and third quartile.
struct Figure {
  double median = 0;
  double low = 0;
  double high = 0;
};
Figure figure_of(std::vector<double> repetitions);

/// One thing measured: Sterna beside what the promise holds it against.
struct PromiseCase {
  std::string name;
  std::string unit;           ///< of the two figures
  std::string baseline_name;  ///< what the baseline is in this case
  Figure baseline;
  Figure ours;
  double value = 0;    ///< what the promise speaks of, in the promise's unit
  bool counts = true;  ///< for the verdict; others are shown beside
  std::string remark{};
};

enum class Verdict : std::uint8_t { Kept, Broken, NotApplicable };
std::string_view to_string(Verdict verdict) noexcept;  ///< "kept", "broken", "not applicable"

/// What came of a promise. `value` is the one that the bound is compared with, `low` and `high` the least and
/// the most of the cases that count.
struct PromiseResult {
  Verdict verdict = Verdict::NotApplicable;
  std::string reason{};  ///< why it is broken or not applicable; empty when it is kept
  double value = 0;
  double low = 0;
  double high = 0;
  std::vector<PromiseCase> cases{};
};

struct ValidateOptions {
  bool quick = false;  ///< fewer repetitions and shapes: the verdicts stay, the spreads grow
  unsigned threads = 0;
  std::filesystem::path model;  ///< the bundled model
};

enum class Bound : std::uint8_t { AtLeast, AtMost };

struct Promise {
  std::string_view id;  ///< in JSON: "elementwise"
  std::string_view title;
  std::string_view definition;  ///< what is measured, in which shapes, how often
  std::string_view baseline;    ///< what it is compared with
  std::string_view reading;     ///< one line that says how to read the figures
  std::string_view unit;        ///< of the value: "×", "ns", "%"
  Bound bound;
  double limit;
  PromiseResult (*measure)(const ValidateOptions& options, const Progress& progress);
};

/// All rows, in the order in which reports list them.
std::span<const Promise> promises() noexcept;

/// Kept when every case that counts meets the bound; `value` is the case nearest to breaking it.
PromiseResult judged(const Promise& promise, std::vector<PromiseCase> cases);
/// The same for a promise about the median of its cases.
PromiseResult judged_by_median(const Promise& promise, std::vector<PromiseCase> cases);
PromiseResult not_applicable(std::string reason);

}  // namespace sterna::cli
