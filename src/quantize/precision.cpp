#include "quantize/precision.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace sterna {
namespace {

constexpr std::array<std::pair<Precision, std::string_view>, 5> kPrecisions{{{Precision::Ternary, "ternary"},
                                                                             {Precision::Int2, "int2"},
                                                                             {Precision::Int4, "int4"},
                                                                             {Precision::Int8, "int8"},
                                                                             {Precision::F16, "f16"}}};

// 0.3 % is what rounding every matrix to int8 may cost; 2 % is far below what a reader notices; 10 % is
// noticed.
constexpr std::array kPolicies{
    PolicyRow{Policy::Memory, "memory", PolicyRow::Least::FileBytes, 1.10,
              "the fewest bytes with a perplexity at most 10 % higher"},
    PolicyRow{Policy::Balanced, "balanced", PolicyRow::Least::FileBytes, 1.02,
              "the fewest bytes with a perplexity at most 2 % higher"},
    PolicyRow{Policy::Accuracy, "accuracy", PolicyRow::Least::FileBytes, 1.003,
              "the fewest bytes with a perplexity at most 0.3 % higher"},
    PolicyRow{Policy::Speed, "speed", PolicyRow::Least::TokenTime, 1.02,
              "the least time predicted for a token with a perplexity at most 2 % higher"},
};

}  // namespace

std::string_view to_string(Precision precision) noexcept {
  for (const auto& [p, name] : kPrecisions) {
    if (p == precision) return name;
  }
  return "?";
}

std::optional<Precision> precision_from_name(std::string_view name) noexcept {
  for (const auto& [precision, n] : kPrecisions) {
    if (n == name) return precision;
  }
  return std::nullopt;
}

std::optional<Policy> policy_from_name(std::string_view name) noexcept {
  const auto row = std::ranges::find(kPolicies, name, &PolicyRow::name);
  return row == kPolicies.end() ? std::nullopt : std::optional(row->policy);
}

std::span<const PolicyRow> policies() noexcept {
  return kPolicies;
}

const PolicyRow& policy_row(Policy policy) noexcept {
  return *std::ranges::find(kPolicies, policy, &PolicyRow::policy);
}

bool matches(std::string_view pattern, std::string_view name) noexcept {
  std::size_t p = 0, n = 0;
  // The last * and where in the name what follows it is tried: an earlier one never needs another try, as the
  // last can take whatever it would.
  std::size_t star = std::string_view::npos, tried = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      tried = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p, ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++tried;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::optional<Precision> decided(std::span<const PrecisionRule> rules, std::string_view name) noexcept {
  for (const PrecisionRule& rule : rules) {
    if (matches(rule.pattern, name)) return rule.precision;
  }
  return std::nullopt;
}

}  // namespace sterna
