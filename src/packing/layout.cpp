#include "packing/layout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/checked.hpp"
#include "sterna/error.hpp"

namespace sterna::packing {
namespace {

[[noreturn]] void fail(ErrorCategory category, std::string_view message, Error::Values values) {
  throw Error(category, message, std::move(values));
}

std::string shape_text(std::uint64_t rows, std::uint64_t cols) {
  return fmt::format("[{}, {}]", rows, cols);
}

/// The one scale that fits all these blocks, if there is one. Blocks of all zeros fit any.
std::optional<float> common_scale(std::span<const std::int8_t> trits, std::span<const float> scales,
                                  std::uint64_t block) {
  std::optional<float> common;
  for (std::size_t i = 0; i < scales.size(); ++i) {
    if (common == scales[i] || all_zero(trits.subspan(i * block, block))) continue;
    if (common) return std::nullopt;
    common = scales[i];
  }
  if (common) return common;
  return scales.empty() ? 0.0f : scales.front();
}

std::uint64_t scales_expected(const TernaryMatrix& matrix) {
  switch (matrix.scales.grain) {
    case ScaleGrain::Tensor:
      return 1;
    case ScaleGrain::Row:
      return matrix.rows;
    case ScaleGrain::Block:
      break;
  }
  return matrix.scales.block == 0 ? 0 : matrix.trits.size() / matrix.scales.block;
}

}  // namespace

bool all_zero(std::span<const std::int8_t> trits) {
  int any = 0;
  for (const std::int8_t trit : trits) any |= trit;
  return any == 0;
}

TernaryMatrix start_unpack(DType dtype, Bytes bytes, std::uint64_t rows, std::uint64_t cols) {
  const auto expected = storage_bytes(dtype, rows, cols);
  if (!expected || *expected != bytes.size()) {
    fail(ErrorCategory::Format, "a ternary tensor's bytes do not fit its shape",
         {{"type", std::string(name(dtype))},
          {"shape", shape_text(rows, cols)},
          {"found", std::to_string(bytes.size())},
          {"expected", expected ? std::to_string(*expected) : "a whole number of blocks"}});
  }
  TernaryMatrix matrix;
  matrix.rows = rows;
  matrix.cols = cols;
  matrix.trits.resize(rows * cols);  // storage_bytes has bounded it
  return matrix;
}

void check_codes(std::span<const std::int8_t> trits, std::uint64_t cols) {
  int largest = 0;
  for (const std::int8_t trit : trits) largest = std::max<int>(largest, trit);
  if (largest <= 1) return;
  const auto at = static_cast<std::uint64_t>(std::find(trits.begin(), trits.end(), 2) - trits.begin());
  fail(ErrorCategory::Format, "a ternary weight holds the code 3, which is no trit",
       {{"row", std::to_string(at / cols)},
        {"column", std::to_string(at % cols)},
        {"found", "3"},
        {"expected", "0, 1 or 2"}});
}

void check_scale(float scale, std::uint64_t index) {
  if (std::isfinite(scale)) return;
  fail(ErrorCategory::Format, "a ternary tensor's scale is not finite",
       {{"scale", std::to_string(index)}, {"found", fmt::format("{}", scale)}});
}

void set_scales(TernaryMatrix& matrix, std::vector<float> scales, std::uint64_t block) {
  // ik_llama.cpp writes a row of zeros as scale 0 with codes that are not; such codes mean zero all the same.
  for (std::size_t i = 0; i < scales.size(); ++i) {
    if (scales[i] == 0) std::fill_n(matrix.trits.begin() + static_cast<std::ptrdiff_t>(i * block), block, 0);
  }
  const std::span<const std::int8_t> trits(matrix.trits);
  if (const auto one = common_scale(trits, scales, block)) {
    matrix.scales = {ScaleGrain::Tensor, {*one}, 0};
    return;
  }
  // Two scales differ, so there is a block, and rows and columns are not zero.
  const std::uint64_t per_row = matrix.cols / block;
  std::vector<float> row_scales;
  for (std::uint64_t r = 0; r < matrix.rows; ++r) {
    const auto one = common_scale(trits.subspan(r * matrix.cols, matrix.cols),
                                  std::span(scales).subspan(r * per_row, per_row), block);
    if (!one) {
      matrix.scales = {ScaleGrain::Block, std::move(scales), static_cast<std::uint32_t>(block)};
      return;
    }
    row_scales.push_back(*one);
  }
  matrix.scales = {ScaleGrain::Row, std::move(row_scales), 0};
}

void check_matrix(const TernaryMatrix& matrix) {
  const auto elements = checked_mul(matrix.rows, matrix.cols);
  const TernaryScales& scales = matrix.scales;
  const bool blocks_fit =
      scales.grain != ScaleGrain::Block || (scales.block != 0 && matrix.cols % scales.block == 0);
  if (!elements || *elements != matrix.trits.size() || !blocks_fit ||
      scales.values.size() != scales_expected(matrix)) {
    fail(ErrorCategory::InvalidArgument, "a ternary matrix contradicts itself",
         {{"shape", shape_text(matrix.rows, matrix.cols)},
          {"trits", std::to_string(matrix.trits.size())},
          {"scales", std::to_string(scales.values.size())}});
  }
  for (std::size_t i = 0; i < scales.values.size(); ++i) {
    if (!std::isfinite(scales.values[i])) {
      fail(ErrorCategory::InvalidArgument, "a scale is not finite", {{"scale", std::to_string(i)}});
    }
  }
  unsigned largest = 0;
  for (const std::int8_t trit : matrix.trits) {
    largest = std::max<unsigned>(largest, static_cast<std::uint8_t>(trit + 1));
  }
  if (largest > 2) {
    fail(ErrorCategory::InvalidArgument, "a trit is not -1, 0 or 1",
         {{"shape", shape_text(matrix.rows, matrix.cols)}});
  }
}

void check_pack(DType dtype, const TernaryMatrix& matrix, ScaleGrain grain, MutableBytes out) {
  check_matrix(matrix);
  const std::string type(name(dtype));
  const std::string shape = shape_text(matrix.rows, matrix.cols);
  const TernaryScales& scales = matrix.scales;
  const auto bytes = storage_bytes(dtype, matrix.rows, matrix.cols);
  if (!bytes) {
    fail(ErrorCategory::Mismatch, "the matrix is no whole number of the type's blocks",
         {{"type", type}, {"shape", shape}, {"expected", std::to_string(info(dtype).block_elements)}});
  }
  const bool coarse_enough =
      scales.grain != ScaleGrain::Block || scales.block % info(dtype).block_elements == 0;
  if (scales.grain > grain || !coarse_enough) {
    fail(ErrorCategory::Mismatch, "the matrix has more scales than the type can hold",
         {{"type", type}, {"shape", shape}, {"found", std::to_string(scales.values.size())}});
  }
  if (out.size() != *bytes) {
    fail(ErrorCategory::InvalidArgument, "room for a packed matrix has another size",
         {{"type", type}, {"found", std::to_string(out.size())}, {"expected", std::to_string(*bytes)}});
  }
}

float scale_at(const TernaryMatrix& matrix, std::uint64_t row, std::uint64_t col) {
  const TernaryScales& scales = matrix.scales;
  switch (scales.grain) {
    case ScaleGrain::Tensor:
      return scales.values[0];
    case ScaleGrain::Row:
      return scales.values[row];
    case ScaleGrain::Block:
      break;
  }
  return scales.values[row * (matrix.cols / scales.block) + col / scales.block];
}

std::uint16_t scale_to_f16(float scale) {
  const std::uint16_t half = f32_to_f16(scale);
  const float back = f16_to_f32(half);
  if (!std::isfinite(back) || (back == 0 && scale != 0)) {
    fail(ErrorCategory::Mismatch, "a scale is outside the range of f16",
         {{"found", fmt::format("{}", scale)}});
  }
  return half;
}

}  // namespace sterna::packing
