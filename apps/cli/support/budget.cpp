#include "support/budget.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include "sterna/error.hpp"

namespace sterna::cli {
namespace {

struct Unit {
  std::string_view name;  ///< small letters
  double bytes;
};
constexpr std::array kUnits{Unit{"", 1},         Unit{"b", 1},           Unit{"kb", 1e3},
                            Unit{"mb", 1e6},     Unit{"gb", 1e9},        Unit{"tb", 1e12},
                            Unit{"kib", 1024.0}, Unit{"mib", 1048576.0}, Unit{"gib", 1073741824.0}};
constexpr double kMost = 9007199254740992.0;  // 2^53: whole doubles are exact below

[[noreturn]] void refuse(std::string_view text) {
  throw Error(
      ErrorCategory::InvalidArgument, "not a size",
      {{"found", std::string(text)}, {"expected", "bytes as in 12MB, 1.5GB, 12MiB, or a share as in 60%"}});
}

}  // namespace

std::uint64_t parse_budget(std::string_view text, std::uint64_t whole) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{}) refuse(text);
  std::string unit(end, text.data() + text.size());
  if (unit.starts_with(' ')) unit.erase(0, 1);
  std::ranges::transform(unit, unit.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  double bytes = 0;
  if (unit == "%") {
    bytes = number / 100 * static_cast<double>(whole);
  } else {
    const auto row = std::ranges::find(kUnits, unit, &Unit::name);
    if (row == kUnits.end()) refuse(text);
    bytes = number * row->bytes;
  }
  if (!(bytes >= 1 && bytes < kMost)) refuse(text);
  // 4.1 GB is 4 099 999 999.9999995 in double: what is whole but for rounding is meant to be.
  const double nearest = std::nearbyint(bytes);
  return static_cast<std::uint64_t>(std::abs(bytes - nearest) < 1e-12 * bytes ? nearest : std::floor(bytes));
}

}  // namespace sterna::cli
