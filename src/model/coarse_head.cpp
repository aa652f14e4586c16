// Why the bound of coarse_head.hpp holds. In exact arithmetic, for a row w and activations x as the head's
// kernel takes them (floats, or scale · codes), column by column:
//
//   w = D·m·(2c − 15) + e,   x = σ·p + δ
//   Σ w·x = D·σ·Σ m·(2c − 15)·p  +  σ·Σ e·p  +  Σ w·δ
//
// The first term is the coarse product; by Cauchy and Schwarz the others are at most ‖e‖·‖σp‖ and ‖w‖·‖δ‖.
//
// The head's kernel computes Σ w·x in float32 with rounding errors. Every term passes through at most m =
// K/32 + 8 roundings: its product (for block types: the block's integer made a float, and its scale), the
// additions to one of the partial sums, at most K/32 + 1, the tree of 5, the activations' scale. So the error
// is at most γ·Σ|w·x| ≤ γ·‖w‖·‖x‖ with γ = m·u/(1 − m·u), u = 2^-24 (Higham, Accuracy and Stability of
// Numerical Algorithms, 3.1), and where results are subnormal at most 2^-150 more for each of fewer than 2^23
// of them: one smallest normal float. Nothing overflows: no sum exceeds ‖w‖·‖x‖, which `set` requires to be
// small.
//
// Here everything is computed in double. w, x, D, σ, m, c and p are exact there (w is what dequantize_row
// gives: no type that has a dense kernel is rounded by it), and so are their products two by two; norms and
// sums of K ≤ 2^20 terms are off by less than (K + 4)·2^-53 < 2^-32 of themselves. kUp covers that with room
// for the few operations that follow, and what is stored as float is rounded up.
#include "model/coarse_head.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "base/checked.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

constexpr double kUp = 1 + 0x1p-30;
/// A block's step is tried at these shares of the smallest that reaches its largest weight; the one that
/// leaves the smallest error wins. Cutting off a large weight often pays for the finer steps of 31 others.
constexpr float kShares[] = {0.97f, 0.82f};
/// p = kScreenBase · high + low with low in [−64, 63] and high in [−127, 127].
constexpr int kMostP = kScreenBase * 127 + kScreenBase / 2 - 1;
/// Beyond this the head's own float32 sums might overflow, and infinite or NaN logits must be seen.
constexpr double kLargestSum = 1e37;

float rounded_up(double value) {
  const auto nearest = static_cast<float>(value);
  return static_cast<double>(nearest) < value
             ? std::nextafter(nearest, std::numeric_limits<float>::infinity())
             : nearest;
}

/// Σ f(k), in partial sums that a compiler may put side by side.
template <class F>
double sum_of(std::size_t n, F f) {
  constexpr std::size_t kPartials = 8;
  double partial[kPartials] = {};
  std::size_t k = 0;
  for (; k + kPartials <= n; k += kPartials) {
    for (std::size_t i = 0; i < kPartials; ++i) partial[i] += f(k + i);
  }
  double sum = 0;
  for (; k < n; ++k) sum += f(k);
  for (const double p : partial) sum += p;
  return sum;
}

/// One row to codes; false when a weight is not finite or too large.
class RowCoder {
 public:
  RowCoder(const Matrix& matrix, const CoarseHead& head)
      : matrix_(matrix), head_(head), row_(head.padded), wanted_(head.padded / kScreenBlock) {}

  bool encode(std::size_t r, CoarseRow& bounds, std::uint8_t* out) {
    dequantize_row(matrix_.dtype, matrix_.data + r * matrix_.stride, head_.cols, row_.data());
    const double squares =
        sum_of(head_.cols, [&](std::size_t k) { return double{row_[k]} * double{row_[k]}; });
    if (!(squares < kLargestSum)) return false;
    float most = 0;
    for (std::size_t b = 0; b < wanted_.size(); ++b) {
      float largest = 0;
      for (std::size_t k = 0; k < kScreenBlock; ++k)
        largest = std::max(largest, std::abs(row_[b * kScreenBlock + k]));
      wanted_[b] = largest / 15;  // codes reach ±15 halves of a step
      most = std::max(most, wanted_[b]);
    }
    bounds.scale = most / kMostMultiplier;
    double residual = 0;
    for (std::size_t b = 0; b < wanted_.size(); ++b) residual += encode_block(b, bounds.scale, out);
    bounds.residual = rounded_up(std::sqrt(residual) * kUp);
    bounds.norm = rounded_up(std::sqrt(squares) * kUp);
    return true;
  }

 private:
  using Codes = std::int32_t[kScreenBlock];

  // Loops in the form that compilers put into vectors.
  static constexpr std::size_t kLanes = 8;
  static_assert(kScreenBlock % kLanes == 0);

  /// The nearest codes with this step, and about Σ e².
  static float try_step(const float* w, float step, Codes& codes) {
    const float inverse = step > 0 ? 0.5f / step : 0.0f;
    float squares[kLanes] = {};
    for (std::size_t k = 0; k < kScreenBlock; k += kLanes) {
      for (std::size_t i = 0; i < kLanes; ++i) {
        // Truncated where it is positive: rounded to the nearest of the odd multiples of the step.
        const float v = w[k + i] * inverse + 8.0f;
        const float c = v < 0.0f ? 0.0f : v > 15.0f ? 15.0f : v;
        codes[k + i] = static_cast<std::int32_t>(c);
        const float e = w[k + i] - step * static_cast<float>(2 * codes[k + i] - 15);
        squares[i] += e * e;
      }
    }
    float sum = 0;
    for (const float lane : squares) sum += lane;
    return sum;
  }

  /// Writes the block's codes and multiplier and returns Σ e².
  double encode_block(std::size_t b, float scale, std::uint8_t* out) const {
    const float* w = row_.data() + b * kScreenBlock;
    Codes codes = {};
    std::uint8_t multiplier = 0;
    float least = std::numeric_limits<float>::infinity();
    for (const float share : kShares) {
      const float ratio = scale > 0 ? wanted_[b] / scale * share : 0.0f;
      const auto m = static_cast<std::uint8_t>(std::clamp(ratio + 0.5f, 0.0f, float{kMostMultiplier}));
      Codes tried;
      const float squares = try_step(w, scale * static_cast<float>(m), tried);
      if (squares >= least) continue;
      least = squares;
      multiplier = m;
      std::copy_n(tried, kScreenBlock, codes);
    }
    std::uint8_t* pairs = out + b / 2 * kScreenBlock;
    for (std::size_t k = 0; k < kScreenBlock; ++k) {
      pairs[k] = static_cast<std::uint8_t>(b % 2 == 0 ? codes[k] : pairs[k] | codes[k] << 4);
    }
    out[head_.padded / 2 + b] = multiplier;
    const double step = double{scale} * multiplier;
    double squares[kLanes] = {};
    for (std::size_t k = 0; k < kScreenBlock; k += kLanes) {
      for (std::size_t i = 0; i < kLanes; ++i) {
        const double e = double{w[k + i]} - step * (2 * codes[k + i] - 15);
        squares[i] += e * e;
      }
    }
    double sum = 0;
    for (const double lane : squares) sum += lane;
    return sum;
  }

  const Matrix& matrix_;
  const CoarseHead& head_;
  std::vector<float> row_;     ///< [padded]
  std::vector<float> wanted_;  ///< steps of the blocks
};

}  // namespace

std::shared_ptr<const CoarseHead> make_coarse_head(const Linear& head, const ScreenKernel& kernel,
                                                   ThreadPool& pool) {
  const Matrix& matrix = head.matrix;
  if (!head.bias.empty() || matrix.ternary || !can_dequantize(matrix.dtype)) return nullptr;
  const auto coarse = std::make_shared<CoarseHead>();
  coarse->rows = matrix.rows;
  coarse->cols = matrix.cols;
  coarse->padded = round_up<std::size_t>(matrix.cols, kScreenGroup);
  if (coarse->padded > kMostScreenCols) return nullptr;
  coarse->kernel = kernel.run;
  coarse->stride = coarse->padded / 2 + screen_multipliers(coarse->padded);
  coarse->bounds.resize(matrix.rows);
  coarse->codes = AlignedBuffer(matrix.rows * coarse->stride);
  std::atomic<bool> finite{true};
  pool.parallel_for(matrix.rows, 1, [&](std::size_t begin, std::size_t end, unsigned) {
    RowCoder coder(matrix, *coarse);
    for (std::size_t r = begin; r < end; ++r) {
      auto* codes = reinterpret_cast<std::uint8_t*>(coarse->codes.data() + r * coarse->stride);
      if (!coder.encode(r, coarse->bounds[r], codes)) finite.store(false, std::memory_order_relaxed);
    }
  });
  if (!finite.load(std::memory_order_relaxed)) return nullptr;
  for (const CoarseRow& row : coarse->bounds) coarse->largest_norm = std::max(coarse->largest_norm, row.norm);
  return coarse;
}

CoarseInput::CoarseInput(const CoarseHead& head)
    : head_(head),
      x_(head.cols),
      high_(head.padded),
      low_(head.padded),
      high_sums_(screen_multipliers(head.padded)),
      low_sums_(high_sums_.size()) {}

bool CoarseInput::set(const float* x, const std::int16_t* codes, float scale) {
  double largest = 0;
  double not_finite = 0;  // v − v is NaN for NaN and infinities
  for (std::size_t k = 0; k < head_.cols; ++k) {
    x_[k] = codes ? double{scale} * codes[k] : double{x[k]};
    largest = std::max(largest, std::abs(x_[k]));
    not_finite += x_[k] - x_[k];
  }
  if (not_finite != 0 || largest > kLargestSum) return false;
  // Any step is correct: it is made a float so that σ · p is exact.
  const float step = std::max(static_cast<float>(largest / (kMostP - 1)), std::numeric_limits<float>::min());
  step_ = double{step};
  const double inverse = 1 / step_;
  std::ranges::fill(high_sums_, std::int16_t{0});
  std::ranges::fill(low_sums_, std::int16_t{0});
  double squares = 0, coarse_squares = 0, rest_squares = 0;
  for (std::size_t k = 0; k < head_.cols; ++k) {
    const int p = std::clamp(static_cast<int>(x_[k] * inverse + (x_[k] < 0 ? -0.5 : 0.5)), -kMostP, kMostP);
    const int high = (p + kScreenBase / 2) >> 7;
    static_assert(kScreenBase == 1 << 7);
    const std::size_t block = k / kScreenBlock;
    const std::size_t at = block % 2 * (head_.padded / 2) + block / 2 * kScreenBlock + k % kScreenBlock;
    high_[at] = static_cast<std::int8_t>(high);
    low_[at] = static_cast<std::int8_t>(p - kScreenBase * high);
    high_sums_[block] = static_cast<std::int16_t>(high_sums_[block] + high_[at]);
    low_sums_[block] = static_cast<std::int16_t>(low_sums_[block] + low_[at]);
    const double rest = x_[k] - step_ * p;
    squares += x_[k] * x_[k];
    coarse_squares += step_ * p * (step_ * p);
    rest_squares += rest * rest;
  }
  const double roundings = static_cast<double>(head_.cols) / 32 + 8;
  const double gamma = roundings * 0x1p-24 / (1 - roundings * 0x1p-24);
  for_residual_ = std::sqrt(coarse_squares) * kUp;
  for_norm_ = (std::sqrt(rest_squares) + gamma * std::sqrt(squares)) * kUp;
  // Block types multiply by the activations' scale at the end: before it the sums are those of the codes.
  const double before_scale = codes ? std::min(1.0, double{scale}) : 1.0;
  return double{head_.largest_norm} * std::sqrt(squares) < kLargestSum * before_scale;
}

void CoarseInput::bound_rows(std::size_t begin, std::size_t end, float* estimate, float* upper) const {
  constexpr std::size_t kPiece = 64;
  std::int64_t sums[kPiece];
  for (std::size_t at = begin; at < end; at += kPiece) {
    const std::size_t to = std::min(end, at + kPiece);
    head_.kernel({.rows = reinterpret_cast<const std::uint8_t*>(head_.codes.data()),
                  .stride = head_.stride,
                  .cols = head_.padded,
                  .high = high_.data(),
                  .low = low_.data(),
                  .high_sums = high_sums_.data(),
                  .low_sums = low_sums_.data(),
                  .row_begin = at,
                  .row_end = to,
                  .out = sums});
    for (std::size_t r = at; r < to; ++r) {
      const CoarseRow& row = head_.bounds[r];
      const double product = double{row.scale} * step_ * static_cast<double>(sums[r - at]);
      const double bound = (double{row.residual} * for_residual_ + double{row.norm} * for_norm_) * kUp;
      const double top = product + bound + 2 * double{std::numeric_limits<float>::min()};
      estimate[r] = static_cast<float>(product);
      // Up by more than the rounding of the additions above and of the conversion.
      upper[r] = static_cast<float>(top + (std::abs(product) + bound) * 0x1p-23);
    }
  }
}

}  // namespace sterna
