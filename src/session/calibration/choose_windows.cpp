#include "session/calibration/choose_windows.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/checked.hpp"
#include "base/portable_math.hpp"
#include "sterna/random.hpp"

namespace sterna {
namespace {

using WindowIndices = std::vector<std::size_t>;

WindowIndices systematic(const TextWindows& text, std::size_t wanted, Random&) {
  WindowIndices chosen(wanted);
  for (std::size_t i = 0; i < wanted; ++i) chosen[i] = (2 * i + 1) * text.count / (2 * wanted);
  return chosen;
}

WindowIndices from_tensor(const Tensor& tensor) {
  const auto* values = tensor.data<std::int64_t>();
  return {values, values + tensor.size()};
}

WindowIndices random(const TextWindows& text, std::size_t wanted, Random& draws) {
  return from_tensor(draws.choice(static_cast<std::int64_t>(text.count), {static_cast<std::int64_t>(wanted)},
                                  /*replace=*/false));
}

WindowIndices stratified(const TextWindows& text, std::size_t wanted, Random& draws) {
  WindowIndices chosen(wanted);
  for (std::size_t i = 0; i < wanted; ++i) {
    const auto begin = static_cast<std::int64_t>(i * text.count / wanted);
    const auto end = static_cast<std::int64_t>((i + 1) * text.count / wanted);
    chosen[i] = from_tensor(draws.integers({1}, begin, end))[0];
  }
  return chosen;
}

WindowIndices importance(const TextWindows& text, std::size_t wanted, Random& draws) {
  std::unordered_map<TokenId, std::uint64_t> counts;
  for (const TokenId token : text.tokens) ++counts[token];
  const double all = static_cast<double>(text.tokens.size()) + 1;
  std::vector<double> surprises(text.count);
  for (std::size_t w = 0; w < text.count; ++w) {
    for (std::size_t i = 0; i < text.step; ++i)
      surprises[w] += portable_log(all / static_cast<double>(counts[text.tokens[w * text.step + i]]));
  }
  return from_tensor(draws.choice(static_cast<std::int64_t>(text.count), {static_cast<std::int64_t>(wanted)},
                                  /*replace=*/false, Tensor::from(std::span<const double>(surprises))));
}

struct WindowsRow {
  Windows windows;
  std::string_view name;
  WindowIndices (*choose)(const TextWindows& text, std::size_t wanted, Random& draws);
};

constexpr std::array kRows{
    WindowsRow{Windows::Systematic, "systematic", systematic},
    WindowsRow{Windows::Random, "random", random},
    WindowsRow{Windows::Stratified, "stratified", stratified},
    WindowsRow{Windows::Importance, "importance", importance},
};

}  // namespace

std::string_view to_string(Windows windows) noexcept {
  return std::ranges::find(kRows, windows, &WindowsRow::windows)->name;
}

std::optional<Windows> windows_from_name(std::string_view name) noexcept {
  const auto row = std::ranges::find(kRows, name, &WindowsRow::name);
  return row == kRows.end() ? std::nullopt : std::optional(row->windows);
}

std::vector<std::size_t> choose_windows(const TextWindows& text, const CalibrationOptions& options) {
  const std::uint64_t asked = ceil_div<std::uint64_t>(options.max_tokens, options.window);
  const std::size_t wanted = asked == 0 ? text.count : std::min<std::uint64_t>(asked, text.count);
  Random draws(options.seed);
  WindowIndices chosen =
      std::ranges::find(kRows, options.windows, &WindowsRow::windows)->choose(text, wanted, draws);
  std::ranges::sort(chosen);
  return chosen;
}

}  // namespace sterna
