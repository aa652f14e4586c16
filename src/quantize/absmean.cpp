#include "quantize/absmean.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/half.hpp"
#include "quantize/simd/loops.hpp"
#include "sterna/error.hpp"
#include "tensor/ops/half.hpp"

namespace sterna {
namespace {

/// Weights that are converted at a time: 16 KiB of floats, which stay in the first-level cache.
constexpr std::uint64_t kChunk = 4096;
static_assert(kChunk % quant::kSumLanes == 0);

/// Sums of magnitudes of one row.
struct RowSums {
  double lanes[quant::kSumLanes] = {};
  /// n more; all but the last call give whole lanes.
  void add(const float* x, std::uint64_t n) { quant::loops().magnitude_sums(x, n, lanes); }
  double total() {
    for (std::size_t half = quant::kSumLanes / 2; half > 0; half /= 2) {
      for (std::size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    }
    return lanes[0];
  }
};

bool is_master(DType dtype) {
  return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16;
}

float rounded_to(DType dtype, float value) {
  if (dtype == DType::F16) return f16_to_f32(f32_to_f16(value));
  if (dtype == DType::BF16) return bf16_to_f32(f32_to_bf16(value));
  return value;
}

/// Stretches of a stored matrix as float32.
class Reader {
 public:
  Reader(DType dtype, Bytes weights) : dtype_(dtype), weights_(weights) {}

  /// Weights [first, first + n) of the row-major matrix, n ≤ kChunk.
  void read(std::uint64_t first, std::uint64_t n, float* out) const {
    const std::size_t size = dtype_ == DType::F32 ? sizeof(float) : sizeof(std::uint16_t);
    const std::byte* from = weights_.data() + first * size;
    if (dtype_ == DType::F32) {
      std::memcpy(out, from, n * size);
      return;
    }
    std::uint16_t aligned[kChunk];
    std::memcpy(aligned, from, n * size);
    (dtype_ == DType::F16 ? ops::f16_to_f32_loop : ops::bf16_to_f32_loop)(aligned, out, n);
  }

 private:
  DType dtype_;
  Bytes weights_;
};

/// Among weights [first, first + n) of rows of `cols`.
[[noreturn]] void not_finite(const Reader& reader, std::uint64_t first, std::uint64_t n, std::uint64_t cols) {
  for (std::uint64_t i = first; i < first + n; ++i) {
    float w = 0;
    reader.read(i, 1, &w);
    if (std::isfinite(w)) continue;
    throw Error(ErrorCategory::Format, "a weight is not finite",
                {{"row", std::to_string(i / cols)},
                 {"column", std::to_string(i % cols)},
                 {"found", fmt::format("{}", w)}});
  }
  throw Error(ErrorCategory::Internal, "a sum of finite weights is not finite",
              {{"row", std::to_string(first / cols)}});
}

}  // namespace

double sum_magnitudes(const float* weights, std::uint64_t rows, std::uint64_t cols) {
  double sum = 0;
  for (std::uint64_t r = 0; r < rows; ++r) {
    RowSums sums;
    sums.add(weights + r * cols, cols);
    sum += sums.total();
  }
  return sum;
}

float absmean_scale(double sum, std::uint64_t n) {
  const double mean = n == 0 ? 0.0 : sum / static_cast<double>(n);
  return std::max(static_cast<float>(mean), kSmallestTernaryScale);
}

TernaryMatrix quantize_absmean(DType dtype, Bytes weights, std::uint64_t rows, std::uint64_t cols,
                               DType round_scale_to, const Grain& grain) {
  if (!is_master(dtype) || !is_master(round_scale_to)) {
    throw Error(ErrorCategory::InvalidArgument, "ternary quantisation is from f32, f16 or bf16",
                {{"found", std::string(name(is_master(dtype) ? round_scale_to : dtype))}});
  }
  if (storage_bytes(dtype, rows, cols) != weights.size()) {
    throw Error(ErrorCategory::InvalidArgument, "weights do not fit their shape",
                {{"shape", fmt::format("[{}, {}]", rows, cols)}, {"found", std::to_string(weights.size())}});
  }
  const bool blocks = grain.kind == ScaleGrain::Block;
  if (blocks && (grain.block == 0 || cols % grain.block != 0)) {
    throw Error(ErrorCategory::InvalidArgument, "a block does not divide the columns",
                {{"columns", std::to_string(cols)}, {"found", std::to_string(grain.block)}});
  }
  const Reader reader(dtype, weights);
  TernaryMatrix matrix{rows, cols, std::vector<std::int8_t>(rows * cols), {}};
  const std::uint64_t length = blocks ? grain.block : cols;  // of what is summed at a time
  const std::uint64_t size = grain.kind == ScaleGrain::Tensor ? rows * cols : length;
  const std::uint64_t groups = grain.kind == ScaleGrain::Tensor ? 1 : size == 0 ? 0 : rows * cols / size;
  matrix.scales = {grain.kind, std::vector<float>(groups), blocks ? grain.block : 0};
  std::vector<float> floats(kChunk);
  /// Calls visit(first, n) for the floats of weights [begin, end), a chunk at a time.
  const auto for_chunks = [&](std::uint64_t begin, std::uint64_t end, auto&& visit) {
    for (std::uint64_t at = begin; at < end; at += kChunk) {
      const std::uint64_t n = std::min(kChunk, end - at);
      reader.read(at, n, floats.data());
      visit(at, n);
    }
  };
  for (std::uint64_t g = 0; g < groups; ++g) {
    const std::uint64_t begin = g * size, end = begin + size;
    double sum = 0;
    for (std::uint64_t row = begin; row < end; row += length) {
      RowSums sums;
      for_chunks(row, row + length, [&](std::uint64_t, std::uint64_t n) { sums.add(floats.data(), n); });
      const double of_row = sums.total();
      if (!std::isfinite(of_row)) not_finite(reader, row, length, cols);
      sum += of_row;
    }
    const float scale = absmean_scale(sum, size);
    for_chunks(begin, end, [&](std::uint64_t first, std::uint64_t n) {
      quant::loops().ternarize(floats.data(), n, scale / 2, matrix.trits.data() + first);
    });
    const float stored_scale = rounded_to(round_scale_to, scale);
    if (!std::isfinite(stored_scale)) {
      throw Error(ErrorCategory::Mismatch, "a scale is outside the range of its type",
                  {{"type", std::string(name(round_scale_to))}, {"found", fmt::format("{}", scale)}});
    }
    matrix.scales.values[g] = stored_scale;
  }
  return matrix;
}

}  // namespace sterna
