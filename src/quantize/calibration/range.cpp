// What the histogram of magnitudes tells: percentiles, ranges of static scales, and channels that stand out.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <span>
#include <utility>

#include "sterna/calibration.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

double greatest(const InputStatistics& input) {
  return std::max(std::abs(static_cast<double>(input.least)), std::abs(static_cast<double>(input.most)));
}

/// The bins that hold anything, with edges inside [0, max |x|].
struct Bin {
  double from, to;
  double count;
};
std::vector<Bin> filled_bins(const InputStatistics& input) {
  const double most = greatest(input);
  std::vector<Bin> bins;
  for (std::size_t i = 0; i < input.magnitude_counts.size(); ++i) {
    if (input.magnitude_counts[i] == 0) continue;
    const double from = i == 0 ? 0 : magnitude_edge(i - 1);
    const double to = i + 1 == kMagnitudeBins ? most : std::min(magnitude_edge(i), most);
    bins.push_back({std::min(from, to), to, static_cast<double>(input.magnitude_counts[i])});
  }
  return bins;
}

/// ∫₀^u (v − round(v))² dv
double rounding_integral(double u) {
  const double whole = std::nearbyint(u);
  const double rest = u - whole;
  return whole / 12 + rest * rest * rest / 3;
}

/// Σ (x − x̂)² over the bins.
double squared_error(std::span<const Bin> bins, double c, double levels) {
  const double step = c / levels;
  double error = 0;
  for (const Bin& bin : bins) {
    const double width = bin.to - bin.from;
    if (!(width > 0)) {  // every element is max |x|
      const double x = std::min(bin.to, c);
      const double d = bin.to - step * std::nearbyint(x / step);
      error += bin.count * d * d;
      continue;
    }
    double integral = 0;
    if (const double to = std::min(bin.to, c); to > bin.from) {
      integral += step * step * step * (rounding_integral(to / step) - rounding_integral(bin.from / step));
    }
    if (bin.to > c) {
      const double near = std::max(bin.from - c, 0.0), far = bin.to - c;
      integral += (far * far * far - near * near * near) / 3;
    }
    error += bin.count * integral / width;
  }
  return error;
}

/// KL(P ‖ Q): P are the first `kept` bins with what lies beyond added to the last of them; Q is P without
/// what lies beyond, each level's count spread over its bins by their width.
double divergence(std::span<const Bin> bins, std::size_t kept, double levels) {
  const double c = bins[kept - 1].to;
  const double step = c / levels;
  double total = 0, inside = 0;
  for (const Bin& bin : bins) total += bin.count;
  for (const Bin& bin : bins.first(kept)) inside += bin.count;
  const double beyond = total - inside;
  const auto level_of = [&](const Bin& bin) { return std::nearbyint((bin.from + bin.to) / 2 / step); };
  double sum = 0;
  for (std::size_t i = 0; i < kept;) {
    double count = 0, width = 0;
    std::size_t end = i;
    for (; end < kept && level_of(bins[end]) == level_of(bins[i]); ++end) {
      count += bins[end].count;
      width += bins[end].to - bins[end].from;
    }
    for (; i < end; ++i) {
      const double p = (bins[i].count + (i + 1 == kept ? beyond : 0)) / total;
      const double share = width > 0 ? (bins[i].to - bins[i].from) / width : 1;
      const double q = count * share / inside;
      if (q > 0) sum += p * std::log(p / q);
    }
  }
  return sum;
}

/// The upper edge of a bin, among those of the upper half of all elements, whose cost is least.
double least_cost(const std::vector<Bin>& bins, const std::function<double(std::size_t kept)>& cost) {
  double total = 0, inside = 0;
  for (const Bin& bin : bins) total += bin.count;
  double best = bins.back().to, least = cost(bins.size());
  for (std::size_t kept = 1; kept < bins.size(); ++kept) {
    inside += bins[kept - 1].count;
    if (inside < total / 2) continue;
    if (const double found = cost(kept); found < least) {
      least = found;
      best = bins[kept - 1].to;
    }
  }
  return best;
}

struct RuleRow {
  ClipRule rule;
  std::string_view name;
  double (*range)(const InputStatistics&, double levels);
};

constexpr std::array kRules{
    RuleRow{ClipRule::MinMax, "minmax", [](const InputStatistics& input, double) { return greatest(input); }},
    RuleRow{ClipRule::Percentile, "percentile",
            [](const InputStatistics& input, double) { return magnitude_percentile(input, 0.9999); }},
    RuleRow{ClipRule::Mse, "mse",
            [](const InputStatistics& input, double levels) {
              const auto bins = filled_bins(input);
              return least_cost(
                  bins, [&](std::size_t kept) { return squared_error(bins, bins[kept - 1].to, levels); });
            }},
    RuleRow{ClipRule::Entropy, "entropy",
            [](const InputStatistics& input, double levels) {
              const auto bins = filled_bins(input);
              return least_cost(bins, [&](std::size_t kept) { return divergence(bins, kept, levels); });
            }},
};

}  // namespace

std::string_view to_string(ClipRule rule) noexcept {
  return std::ranges::find(kRules, rule, &RuleRow::rule)->name;
}

std::optional<ClipRule> clip_rule_from_name(std::string_view name) noexcept {
  const auto row = std::ranges::find(kRules, name, &RuleRow::name);
  return row == kRules.end() ? std::nullopt : std::optional(row->rule);
}

double clip_range(const InputStatistics& input, ClipRule rule, unsigned bits) {
  if (bits < 2 || bits > 8) {
    throw Error(ErrorCategory::InvalidArgument, "a range is for codes of 2 to 8 bits",
                {{"found", std::to_string(bits)}});
  }
  if (greatest(input) == 0) return 0;
  const double levels = (1 << (bits - 1)) - 1;
  return std::ranges::find(kRules, rule, &RuleRow::rule)->range(input, levels);
}

double magnitude_edge(std::size_t bin) noexcept {
  return std::ldexp(1 + static_cast<double>(bin % 32 + 1) / 32, static_cast<int>(bin / 32) - 24);
}

double magnitude_percentile(const InputStatistics& input, double share) {
  const auto bins = filled_bins(input);
  double left = 0;
  for (const Bin& bin : bins) left += bin.count;
  left *= share;
  for (const Bin& bin : bins) {
    if (bin.count >= left) return bin.from + (bin.to - bin.from) * left / bin.count;
    left -= bin.count;
  }
  return greatest(input);
}

std::vector<Outlier> outliers(const InputStatistics& input, double ratio) {
  std::vector<float> sorted = input.channel_most;
  if (sorted.empty()) return {};
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::ranges::nth_element(sorted, middle);
  const double median = *middle;
  std::vector<Outlier> found;
  for (std::size_t c = 0; c < input.channel_most.size(); ++c) {
    const double most = input.channel_most[c];
    if (most > ratio * median)
      found.push_back({c, input.channel_most[c], median > 0 ? most / median : HUGE_VAL});
  }
  std::ranges::stable_sort(found, std::ranges::greater{}, &Outlier::most);
  return found;
}

}  // namespace sterna
