#include "validate/promise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace sterna::cli {
namespace {

double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

bool meets(const Promise& promise, double value) {
  return promise.bound == Bound::AtLeast ? value >= promise.limit : value <= promise.limit;
}

/// Of the cases that count, sorted; empty when there are none.
std::vector<double> counting_values(const std::vector<PromiseCase>& cases) {
  std::vector<double> values;
  for (const PromiseCase& each : cases) {
    if (each.counts) values.push_back(each.value);
  }
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace

Figure figure_of(std::vector<double> repetitions) {
  if (repetitions.empty()) return {};
  std::sort(repetitions.begin(), repetitions.end());
  return {quantile(repetitions, 0.5), quantile(repetitions, 0.25), quantile(repetitions, 0.75)};
}

std::string_view to_string(Verdict verdict) noexcept {
  constexpr std::array<std::string_view, 3> kNames{"kept", "broken", "not applicable"};
  return kNames[static_cast<std::size_t>(verdict)];
}

PromiseResult judged(const Promise& promise, std::vector<PromiseCase> cases) {
  const std::vector<double> values = counting_values(cases);
  if (values.empty()) return not_applicable("nothing could be measured");
  const double worst = promise.bound == Bound::AtLeast ? values.front() : values.back();
  PromiseResult result{meets(promise, worst) ? Verdict::Kept : Verdict::Broken,
                       {},
                       worst,
                       values.front(),
                       values.back(),
                       std::move(cases)};
  if (result.verdict == Verdict::Broken) {
    std::string broken;
    for (const PromiseCase& each : result.cases) {
      if (each.counts && !meets(promise, each.value)) broken += (broken.empty() ? "" : "; ") + each.name;
    }
    result.reason = "not met by " + broken;
  }
  return result;
}

PromiseResult judged_by_median(const Promise& promise, std::vector<PromiseCase> cases) {
  const std::vector<double> values = counting_values(cases);
  if (values.empty()) return not_applicable("nothing could be measured");
  const double median = quantile(values, 0.5);
  PromiseResult result{meets(promise, median) ? Verdict::Kept : Verdict::Broken,
                       {},
                       median,
                       values.front(),
                       values.back(),
                       std::move(cases)};
  if (result.verdict == Verdict::Broken) {
    result.reason = fmt::format("the median is {:.3g} {}, the promise {} {:.3g}", median, promise.unit,
                                promise.bound == Bound::AtLeast ? "at least" : "at most", promise.limit);
  }
  return result;
}

PromiseResult not_applicable(std::string reason) {
  PromiseResult result;
  result.reason = std::move(reason);
  return result;
}

}  // namespace sterna::cli
