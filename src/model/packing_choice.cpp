#include "model/packing_choice.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "base/checked.hpp"
#include "base/clock.hpp"
#include "memory/aligned_buffer.hpp"
#include "platform/cpu.hpp"
#include "sterna/version.hpp"

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
constexpr std::size_t kFillPiece = std::size_t{8} << 20;

// How much faster than 2 bits another layout must be. Products of many tokens are a few per cent slower with
// it, and a choice within the noise should not depend on the day.
constexpr double kWorthwhile = 1.03;

std::size_t stride_of(DType dtype, std::uint64_t cols) {
  if (dtype == DType::I2_S) return ceil_div<std::uint64_t>(cols, 128) * 32;
  const auto& block = info(dtype);
  return ceil_div<std::uint64_t>(cols, block.block_elements) * block.block_bytes;
}

std::uint64_t last_level_cache_bytes() {
  const CpuInfo& cpu = cpu_info();
  std::uint64_t bytes = 0;
  unsigned level = 0;
  for (const CpuCache& cache : cpu.caches) {
    if (cache.level < level) continue;
    level = cache.level;
    bytes = cache.bytes * ceil_div(cpu.logical_cores, std::max(1u, cache.shared_by));
  }
  return bytes;
}

/// Bytes that stand for weights: any will do, for time does not depend on them. Twice the last-level cache,
/// or the model if that is less, or what can be filled in the time.
class Bytes2Read {
 public:
  Bytes2Read(const PackingQuestion& question, std::size_t matrix, ThreadPool& pool)
      : memory_(std::max<std::size_t>(
            matrix, std::min<std::uint64_t>({2 * last_level_cache_bytes(), question.weights / 4, kMost}))) {
    const Stopwatch clock;
    while (filled_ < memory_.size() && (filled_ < matrix || clock.seconds() < kFillSeconds)) {
      const std::size_t size = std::min(kFillPiece, memory_.size() - filled_);
      pool.parallel_for(size, 4096, [&](std::size_t begin, std::size_t end, unsigned) {
        std::memset(memory_.data() + filled_ + begin, 0x55, end - begin);
      });
      filled_ += size;
    }
  }
  /// The next matrix of so many bytes.
  const std::byte* next(std::size_t bytes) {
    if (at_ + bytes > filled_) at_ = 0;
    return memory_.data() + std::exchange(at_, at_ + bytes);
  }

 private:
  static constexpr std::uint64_t kMost = std::uint64_t{256} << 20;
  AlignedBuffer memory_;
  std::size_t filled_ = 0;
  std::size_t at_ = 0;
};

std::string machine_key(const PackingQuestion& question, unsigned threads) {
  const CpuInfo& cpu = cpu_info();
  std::string key = "packing; sterna " STERNA_VERSION "; " + cpu.name + "; " +
                    std::to_string(cpu.physical_cores) + " cores; ";
  for (const RepackLayout& layout : kLayouts) {
    key += std::string(select_ternary_kernel(layout.dtype, question.kernel)->name) + " ";
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

std::vector<double> measure_layouts(const PackingQuestion& question, ThreadPool& pool) {
  const Stopwatch clock;
  std::array<std::size_t, kLayouts.size()> bytes;
  std::ranges::transform(kLayouts, bytes.begin(), [&](const RepackLayout& layout) {
    return question.rows * stride_of(layout.dtype, question.cols);
  });
  Bytes2Read weights(question, std::ranges::max(bytes), pool);
  const std::size_t padded = round_up<std::size_t>(question.cols, kActivationPadding);
  const AlignedBuffer x(padded);
  std::vector<std::int32_t> out(question.rows);
  const std::int32_t sum = 0;

  std::vector<double> best(kLayouts.size(), 0.0);
  const double end = clock.seconds() + kMeasureSeconds;
  for (bool first = true; first || clock.seconds() < end; first = false) {
    for (std::size_t i = 0; i < kLayouts.size(); ++i) {
      const TernaryKernel* kernel = select_ternary_kernel(kLayouts[i].dtype, question.kernel);
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
  const std::string key = machine_key(question, pool.size());
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
  // The key of no question ends where those of this machine begin to differ.
  std::vector<std::string> lines;
  const std::string machine = "packing; sterna " STERNA_VERSION "; " + cpu_info().name + "; " +
                              std::to_string(cpu_info().physical_cores) + " cores; ";
  for (const auto& [key, value] : cache.read()) {
    if (key.starts_with(machine)) lines.push_back(key.substr(machine.size()) + ": " + value);
  }
  return lines;
}

ChoiceCache packing_cache() {
  return ChoiceCache(ChoiceCache::default_path("packings"));
}

}  // namespace sterna
