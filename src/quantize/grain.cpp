#include "quantize/grain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/checked.hpp"
#include "quantize/simd/loops.hpp"
#include "sterna/error.hpp"

namespace sterna {

Groups groups_of(std::span<const float> weights, std::uint64_t rows, std::uint64_t cols, const Grain& grain) {
  if (checked_mul(rows, cols) != weights.size()) {
    throw Error(ErrorCategory::InvalidArgument, "weights do not fit their shape",
                {{"shape", fmt::format("[{}, {}]", rows, cols)}, {"found", std::to_string(weights.size())}});
  }
  const bool block = grain.kind == ScaleGrain::Block;
  if (block && (grain.block < Grain::kLeastBlock || grain.block > Grain::kMostBlock || cols % grain.block)) {
    throw Error(ErrorCategory::InvalidArgument, "weights cannot be scaled in blocks of this size",
                {{"columns", std::to_string(cols)},
                 {"found", std::to_string(grain.block)},
                 {"expected", fmt::format("a divisor of the columns from {} to {}", Grain::kLeastBlock,
                                          Grain::kMostBlock)}});
  }
  if (!std::isfinite(quant::loops().max_magnitude(weights.data(), weights.size()))) {
    const auto bad = std::find_if(weights.begin(), weights.end(), [](float w) { return !std::isfinite(w); });
    const auto at = static_cast<std::uint64_t>(bad - weights.begin());
    throw Error(ErrorCategory::InvalidArgument, "a weight is not finite",
                {{"row", std::to_string(at / cols)},
                 {"column", std::to_string(at % cols)},
                 {"found", fmt::format("{}", *bad)}});
  }
  if (grain.kind == ScaleGrain::Tensor) return {1, rows * cols, rows};
  return block ? Groups{rows * (cols / grain.block), grain.block, 1} : Groups{rows, cols, 1};
}

}  // namespace sterna
