// The calls that candidates are timed with.
#include <algorithm>

#include "backend/timing.hpp"
#include "base/checked.hpp"
#include "base/clock.hpp"
#include "kernels/kv_layout.hpp"
#include "memory/arena.hpp"
#include "platform/cpu.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

// Calls of each candidate: as many as go into some milliseconds, and a median of slow ones.
constexpr std::size_t kLeastCalls = 3;
constexpr std::size_t kMostCalls = 400;
constexpr double kSeconds = 0.004;
// Weights beyond the cache: twice the cache, if that is filled in this time.
constexpr double kFillSeconds = 0.3;

constexpr std::size_t kCols = 2560;  // of a model of 2 billion weights
constexpr std::size_t kRowGrain = 16;
constexpr std::size_t kRowsOfThread = 32;
constexpr std::size_t kMostRows = 4096;
constexpr std::size_t kLeastStream = std::size_t{64} << 20;
static_assert(kLeastStream >= kMostRows * 2560 * sizeof(float), "the largest matrix must fit");
constexpr std::size_t kWide = 6912;  // its feed-forward width; also a multiple of kActivationPadding
constexpr std::size_t kHeadDim = 128;
constexpr std::size_t kGroup = 4;
constexpr std::size_t kPositions = 512;
static_assert(kWide % kActivationPadding == 0 && kCols % kActivationPadding == 0);

struct BatchShape {
  std::size_t tokens;
  std::size_t rows;  ///< of a product: fewer for more tokens, so that a call stays short on slow candidates
};
constexpr BatchShape kShapes[] = {{1, 1024}, {4, 512}, {32, 128}};

std::size_t stride_of(DType dtype) {
  return dtype == DType::I2_S ? kCols / 4 : *storage_bytes(dtype, 1, kCols);
}

/// A product, its rows split between the threads of a pool.
class Product {
 public:
  Product(const Question& question, ThreadPool& pool)
      : pool_(pool),
        tokens_(kShapes[static_cast<int>(question.batch)].tokens),
        rows_(std::clamp<std::size_t>(kRowsOfThread * pool.size(),
                                      kShapes[static_cast<int>(question.batch)].rows, kMostRows)),
        dtype_(question.dtype),
        stride_(stride_of(question.dtype)) {
    arena_ = Arena::sized_by([&](Arena& arena) {
      x_ = arena.array<float>(tokens_ * kCols);
      codes_ = arena.array<std::int8_t>(tokens_ * kCols);
      codes16_ = arena.array<std::int16_t>(tokens_ * kCols);
      scales_ = arena.array<float>(tokens_);
      sums_ = arena.array<std::int32_t>(tokens_);
      integers_ = arena.array<std::int32_t>(tokens_ * rows_);
      floats_ = arena.array<float>(tokens_ * rows_);
    });
  }

  std::size_t bytes() const noexcept { return rows_ * stride_; }
  double operations() const noexcept { return 2.0 * static_cast<double>(rows_ * kCols * tokens_); }

  void run(const Kernels& kernels, const std::byte* weights) const {
    const TernaryKernel* const ternary = ternary_kernel(kernels, dtype_);
    const auto dense = dense_kernel(kernels.floats, dtype_);
    const bool codes16 = takes_codes16(dtype_);
    pool_.parallel_for(rows_, kRowGrain, [&](std::size_t begin, std::size_t end, unsigned) {
      if (ternary != nullptr) {
        return ternary->run({.weights = reinterpret_cast<const std::uint8_t*>(weights),
                             .weight_stride = stride_,
                             .cols = kCols,
                             .x = codes_.data(),
                             .x_stride = kCols,
                             .x_sums = sums_.data(),
                             .tokens = tokens_,
                             .row_begin = begin,
                             .row_end = end,
                             .out = integers_.data(),
                             .out_stride = rows_});
      }
      dense({.weights = weights,
             .weight_stride = stride_,
             .cols = kCols,
             .x = codes16 ? nullptr : x_.data(),
             .x_stride = kCols,
             .tokens = tokens_,
             .row_begin = begin,
             .row_end = end,
             .out = floats_.data(),
             .out_stride = rows_,
             .codes = codes16 ? codes16_.data() : nullptr,
             .codes_stride = kCols,
             .code_scales = scales_.data()});
    });
  }

 private:
  ThreadPool& pool_;
  std::size_t tokens_;
  std::size_t rows_;
  DType dtype_;
  std::size_t stride_;
  Arena arena_;
  std::span<float> x_, scales_, floats_;
  std::span<std::int8_t> codes_;
  std::span<std::int16_t> codes16_;
  std::span<std::int32_t> sums_, integers_;
};

/// A kv head's attention: the work of one thread.
class Attention {
 public:
  explicit Attention(Batch batch) : tokens_(kShapes[static_cast<int>(batch)].tokens) {
    const std::size_t rows = tokens_ * kGroup;
    arena_ = Arena::sized_by([&](Arena& arena) {
      query_ = arena.array<float>(rows * kHeadDim);
      out_ = arena.array<float>(rows * kHeadDim);
      blocks_ = arena.array<std::byte>(layout_.bytes * (kPositions / kKvBlock));
      state_ = arena.array<float>(attention_state_floats(rows, layout_.width));
      scratch_ = arena.array<float>(attention_scratch_floats(rows, layout_.width));
    });
  }

  void run(const Kernels& kernels) const {
    const std::size_t position = kPositions - tokens_;
    kernels.floats.attention_f32({.query = query_.data(),
                                  .query_stride = kGroup * kHeadDim,
                                  .tokens = tokens_,
                                  .group = kGroup,
                                  .head_dim = kHeadDim,
                                  .blocks = blocks_.data(),
                                  .block_stride = layout_.bytes,
                                  .layout = layout_,
                                  .position = position,
                                  .chunk_begin = 0,
                                  .chunk_end = ceil_div(kPositions, kKvChunk),
                                  .scale = 1,
                                  .state = state_.data(),
                                  .scratch = scratch_.data()});
    kernels.floats.attention_finish({.states = state_.data(),
                                     .stride = state_.size(),
                                     .count = 1,
                                     .tokens = tokens_,
                                     .group = kGroup,
                                     .head_dim = kHeadDim,
                                     .width = layout_.width,
                                     .position = position,
                                     .out = out_.data(),
                                     .out_stride = kGroup * kHeadDim});
  }

 private:
  std::size_t tokens_;
  KvBlockLayout layout_ = kv_block_layout(kHeadDim, sizeof(float), false);
  Arena arena_;
  std::span<float> query_, out_, state_, scratch_;
  std::span<std::byte> blocks_;
};

/// `call(kernels)` of every candidate, taking turns.
template <class Call>
std::vector<Timing> take_turns(std::span<const Candidate> candidates, Call call) {
  std::vector<std::vector<double>> seconds(candidates.size());
  std::vector<double> spent(candidates.size(), 0.0);
  for (const Candidate& candidate : candidates) call(candidate.kernels);  // warms caches and pages
  for (bool again = true; again;) {
    again = false;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const std::size_t calls = seconds[i].size();
      if (calls >= kLeastCalls && (spent[i] >= kSeconds || calls >= kMostCalls)) continue;
      const Stopwatch watch;
      call(candidates[i].kernels);
      seconds[i].push_back(watch.seconds());
      spent[i] += seconds[i].back();
      again = true;
    }
  }
  std::vector<Timing> timings;
  for (std::vector<double>& calls : seconds) {
    std::ranges::sort(calls);
    timings.push_back({calls[calls.size() / 2], calls[calls.size() * 9 / 10]});
  }
  return timings;
}

}  // namespace

Stopwatches::Stopwatches(unsigned threads) : threads_(threads == 0 ? cpu_info().physical_cores : threads) {}

std::vector<Timing> Stopwatches::operator()(const Question& question, std::span<const Candidate> candidates) {
  if (!pool_) pool_ = std::make_shared<ThreadPool>(threads_);
  if (question.operation == Operation::Ternary || question.operation == Operation::Dense) {
    const Product product(question, *pool_);
    if (question.in_cache) {
      WeightStream weights(product.bytes(), product.bytes(), 0, *pool_);
      return take_turns(candidates,
                        [&](const Kernels& kernels) { product.run(kernels, weights.next(product.bytes())); });
    }
    if (!stream_) {
      const std::uint64_t bytes = std::min(2 * last_level_cache_bytes(), cpu_info().memory_bytes / 8);
      stream_ = std::make_shared<WeightStream>(kLeastStream, bytes, kFillSeconds, *pool_);
    }
    return take_turns(candidates,
                      [&](const Kernels& kernels) { product.run(kernels, stream_->next(product.bytes())); });
  }
  if (question.operation == Operation::Attention) {
    const Attention attention(question.batch);
    return take_turns(candidates, [&](const Kernels& kernels) { attention.run(kernels); });
  }
  std::span<float> a, b;
  std::span<std::int8_t> codes;
  const Arena arena = Arena::sized_by([&](Arena& memory) {
    a = memory.array<float>(kWide);
    b = memory.array<float>(kWide);
    codes = memory.array<std::int8_t>(kWide);
  });
  return take_turns(candidates, [&](const Kernels& kernels) {
    if (question.operation == Operation::Elementwise)
      kernels.floats.silu_mul({.gate = a.data(),
                               .gate_stride = kWide,
                               .up = b.data(),
                               .up_stride = kWide,
                               .tokens = 1,
                               .n = kWide,
                               .out = b.data(),
                               .out_stride = kWide});
    if (question.operation == Operation::Reduction)
      kernels.floats.rms_norm(a.data(), nullptr, 1e-5f, kWide, b.data());
    if (question.operation == Operation::Quantize)
      kernels.floats.quantize(a.data(), kWide, kWide, codes.data());
  });
}

Capabilities Stopwatches::capabilities(const Backend& backend) {
  if (!pool_) pool_ = std::make_shared<ThreadPool>(threads_);
  const std::string_view variant = backend.variants().front();
  const auto rate = [&](Operation operation, DType dtype) {
    const Question question{operation, dtype, Batch::Many, true};
    Candidate candidate{&backend, variant, {}};
    backend.provide(variant, operation, candidate.kernels);
    return Product(question, *pool_).operations() / (*this)(question, {&candidate, 1}).front().median;
  };
  Capabilities measured;
  measured.integer_ops = rate(Operation::Ternary, DType::I2_S);
  measured.float_ops = rate(Operation::Dense, DType::F32);
  measured.read_bytes = backend.read_bandwidth(*pool_);
  return measured;
}

}  // namespace sterna
