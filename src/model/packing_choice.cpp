#include "model/packing_choice.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "backend/weight_stream.hpp"
#include "base/checked.hpp"
#include "base/clock.hpp"
#include "memory/aligned_buffer.hpp"
#include "packing/i2_s_rows.hpp"
#include "platform/cpu.hpp"

namespace sterna {
namespace {

constexpr std::array kLayouts{
    RepackLayout{Pack::TwoBit, "2bit", DType::I2_S},
    RepackLayout{Pack::OnePoint6Bit, "1.6bit", DType::TQ1_0},
};

// Of 200 ms: memory for weights beyond the caches, then turns of the layouts until the time is over. A turn
// is long enough for the clock and for the threads to wake, and the best of several leaves out those that
// something else disturbed.
constexpr double kFillSeconds = 0.06;
constexpr double kMeasureSeconds = 0.10;
constexpr double kTurnSeconds = 0.008;
constexpr std::uint64_t kMostBytes = std::uint64_t{256} << 20;

// How much faster than 2 bits another layout must be. Products of many tokens are a few per cent slower with
// it, and a choice within the noise should not depend on the day.
constexpr double kWorthwhile = 1.03;

std::size_t stride_of(DType dtype, std::uint64_t cols) {
  if (dtype == DType::I2_S) return i2s_row_bytes(cols);
  const auto& block = info(dtype);
  return ceil_div<std::uint64_t>(cols, block.block_elements) * block.block_bytes;
}

/// What answers of this machine begin with.
std::string packing_key() {
  return "packing; " + machine_key();
}

std::string key_of(const PackingQuestion& question, unsigned threads) {
  std::string key = packing_key();
  for (const RepackLayout& layout : kLayouts) {
    key += std::string(ternary_kernel(*question.kernels, layout.dtype)->name) + " ";
  }
  return key + "; " + std::to_string(threads) + " threads; " + std::to_string(question.rows) + " x " +
         std::to_string(question.cols);
}

std::string described(const std::vector<double>& speeds) {
  std::string text;
  for (std::size_t i = 0; i < kLayouts.size(); ++i) {
    char number[32];
    std::snprintf(number, sizeof number, "%.1f", speeds[i] * 1e-9);
    text += (i ? ", " : "") + std::string(kLayouts[i].name) + " " + number;
  }
  return text + " weights/ns";
}

const RepackLayout* named(std::string_view name) {
  const auto found = std::ranges::find(kLayouts, name, &RepackLayout::name);
  return found == kLayouts.end() ? nullptr : &*found;
}

}  // namespace

std::span<const RepackLayout> repack_layouts() noexcept {
  return kLayouts;
}

const RepackLayout* layout_like(DType dtype) noexcept {
  if (dtype == DType::I2_S || dtype == DType::TQ2_0) return &kLayouts[0];
  return dtype == DType::TQ1_0 ? &kLayouts[1] : nullptr;
}

const RepackLayout& smallest_layout() noexcept {
  return *std::ranges::min_element(kLayouts, {}, [](const RepackLayout& layout) {
    const auto& block = info(layout.dtype);
    return static_cast<double>(block.block_bytes) / static_cast<double>(block.block_elements);
  });
}

std::vector<double> measure_layouts(const PackingQuestion& question, ThreadPool& pool) {
  const Stopwatch clock;
  std::array<std::size_t, kLayouts.size()> bytes;
  std::ranges::transform(kLayouts, bytes.begin(), [&](const RepackLayout& layout) {
    return question.rows * stride_of(layout.dtype, question.cols);
  });
  // Twice the last-level cache, or the model if that is less, or what can be filled in the time.
  WeightStream weights(
      std::ranges::max(bytes),
      std::min<std::uint64_t>({2 * last_level_cache_bytes(), question.weights / 4, kMostBytes}), kFillSeconds,
      pool);
  const std::size_t padded = round_up<std::size_t>(question.cols, kActivationPadding);
  const AlignedBuffer x(padded);
  std::vector<std::int32_t> out(question.rows);
  const std::int32_t sum = 0;

  std::vector<double> best(kLayouts.size(), 0.0);
  const double end = clock.seconds() + kMeasureSeconds;
  for (bool first = true; first || clock.seconds() < end; first = false) {
    for (std::size_t i = 0; i < kLayouts.size(); ++i) {
      const TernaryKernel* kernel = ternary_kernel(*question.kernels, kLayouts[i].dtype);
      const Stopwatch turn;
      double seconds = 0;
      std::uint64_t products = 0;
      while (seconds < kTurnSeconds) {
        TernaryArgs args{.weights = reinterpret_cast<const std::uint8_t*>(weights.next(bytes[i])),
                         .weight_stride = bytes[i] / question.rows,
                         .cols = question.cols,
                         .x = reinterpret_cast<const std::int8_t*>(x.data()),
                         .x_stride = padded,
                         .x_sums = &sum,
                         .tokens = 1,
                         .row_begin = 0,
                         .row_end = question.rows,
                         .out = out.data(),
                         .out_stride = question.rows};
        pool.parallel_for(question.rows, 16, [&](std::size_t from, std::size_t to, unsigned) {
          TernaryArgs share = args;
          share.row_begin = from;
          share.row_end = to;
          kernel->run(share);
        });
        products += question.rows * question.cols;
        seconds = turn.seconds();
      }
      best[i] = std::max(best[i], static_cast<double>(products) / seconds);
    }
  }
  return best;
}

PackingChoice choose_layout(const PackingQuestion& question, ThreadPool& pool, const ChoiceCache& cache) {
  if (question.weights / 4 <= last_level_cache_bytes()) {
    return {&kLayouts[0], "the weights fit the cache, where fewer instructions count"};
  }
  const std::string key = key_of(question, pool.size());
  if (const auto line = cache.find(key)) {
    const auto space = line->find(' ');
    if (const RepackLayout* layout = named(line->substr(0, space)); layout && space != std::string::npos) {
      return {layout, "remembered: " + line->substr(space + 1)};
    }
  }
  const std::vector<double> speeds = measure_layouts(question, pool);
  const RepackLayout* layout = &kLayouts[0];
  for (std::size_t i = 1; i < kLayouts.size(); ++i) {
    if (speeds[i] > kWorthwhile * speeds[0]) layout = &kLayouts[i];
  }
  const std::string numbers = described(speeds);
  cache.remember(key, std::string(layout->name) + " " + numbers);
  return {layout, "measured: " + numbers};
}

std::vector<std::string> remembered_layouts(const ChoiceCache& cache) {
  std::vector<std::string> lines;
  const std::string machine = packing_key();
  for (const auto& [key, value] : cache.read()) {
    if (key.starts_with(machine)) lines.push_back(key.substr(machine.size()) + ": " + value);
  }
  return lines;
}

ChoiceCache packing_cache() {
  return ChoiceCache(ChoiceCache::default_path("packings"));
}

}  // namespace sterna
