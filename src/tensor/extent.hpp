// How far strided elements reach from the first of them.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "base/checked.hpp"
#include "sterna/tensor.hpp"

namespace sterna {

/// Offsets, in elements, of the lowest and the highest element from the first; there is at least one. Nothing
/// on overflow.
inline std::optional<std::pair<std::int64_t, std::int64_t>> extent(const Shape& shape,
                                                                   const Strides& strides) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  for (std::size_t k = 0; k < shape.size(); ++k) {
    const auto reach = checked_mul(shape[k] - 1, strides[k]);
    if (!reach) return std::nullopt;
    const auto sum = checked_add(*reach < 0 ? low : high, *reach);
    if (!sum) return std::nullopt;
    (*reach < 0 ? low : high) = *sum;
  }
  return std::pair{low, high};
}

}  // namespace sterna
