#include "quantize/absmean.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/half.hpp"
#include "sterna/error.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

constexpr float kSmallestScale = 1e-5f;

/// Σ |x[i]|: partial sum l adds elements l, l + 8, …; then the partial sums in order.
double magnitude(const float* x, std::uint64_t n) {
  constexpr std::uint64_t kLanes = 8;
  double sums[kLanes] = {};
  std::uint64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::uint64_t l = 0; l < kLanes; ++l) sums[l] += static_cast<double>(std::abs(x[i + l]));
  }
  for (std::uint64_t l = 0; i < n; ++i, ++l) sums[l] += static_cast<double>(std::abs(x[i]));
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

[[noreturn]] void not_finite(const float* row, std::uint64_t r, std::uint64_t cols) {
  const float* bad = std::find_if(row, row + cols, [](float w) { return !std::isfinite(w); });
  throw Error(ErrorCategory::Format, "a weight is not finite",
              {{"row", std::to_string(r)},
               {"column", std::to_string(bad - row)},
               {"found", fmt::format("{}", *bad)}});
}

bool is_master(DType dtype) {
  return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16;
}

float rounded_to(DType dtype, float value) {
  if (dtype == DType::F16) return f16_to_f32(f32_to_f16(value));
  if (dtype == DType::BF16) return bf16_to_f32(f32_to_bf16(value));
  return value;
}

}  // namespace

TernaryMatrix quantize_absmean(DType dtype, Bytes weights, std::uint64_t rows, std::uint64_t cols,
                               DType round_scale_to) {
  if (!is_master(dtype) || !is_master(round_scale_to)) {
    throw Error(ErrorCategory::InvalidArgument, "ternary quantisation is from f32, f16 or bf16",
                {{"found", std::string(name(is_master(dtype) ? round_scale_to : dtype))}});
  }
  if (storage_bytes(dtype, rows, cols) != weights.size()) {
    throw Error(ErrorCategory::InvalidArgument, "weights do not fit their shape",
                {{"shape", fmt::format("[{}, {}]", rows, cols)}, {"found", std::to_string(weights.size())}});
  }
  TernaryMatrix matrix{rows, cols, std::vector<std::int8_t>(rows * cols), {}};
  const std::uint64_t row_bytes = rows == 0 ? 0 : weights.size() / rows;
  std::vector<float> row(cols);
  const auto read = [&](std::uint64_t r) {
    dequantize_row(dtype, weights.data() + r * row_bytes, cols, row.data());
  };

  double sum = 0;
  for (std::uint64_t r = 0; r < rows; ++r) {
    read(r);
    const double of_row = magnitude(row.data(), cols);
    if (!std::isfinite(of_row)) not_finite(row.data(), r, cols);
    sum += of_row;
  }
  const double mean = matrix.trits.empty() ? 0.0 : sum / static_cast<double>(matrix.trits.size());
  const float scale = std::max(static_cast<float>(mean), kSmallestScale);

  const float threshold = scale / 2;
  for (std::uint64_t r = 0; r < rows; ++r) {
    read(r);
    std::int8_t* trits = matrix.trits.data() + r * cols;
    for (std::uint64_t c = 0; c < cols; ++c) {
      trits[c] = static_cast<std::int8_t>((row[c] > threshold) - (row[c] < -threshold));
    }
  }
  const float stored_scale = rounded_to(round_scale_to, scale);
  if (!std::isfinite(stored_scale)) {
    throw Error(ErrorCategory::Mismatch, "a scale is outside the range of its type",
                {{"type", std::string(name(round_scale_to))}, {"found", fmt::format("{}", scale)}});
  }
  matrix.scales = {ScaleGrain::Tensor, {stored_scale}, 0};
  return matrix;
}

}  // namespace sterna
