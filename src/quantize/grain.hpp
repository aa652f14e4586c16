// How finely a matrix is scaled, and what is checked before any weight is quantised.
#pragma once

#include <cstdint>
#include <span>

#include "packing/registry.hpp"

namespace sterna {

/// One scale for a tensor, for each row, or for each block of so many weights of a row.
struct Grain {
  ScaleGrain kind = ScaleGrain::Tensor;
  std::uint32_t block = 0;  ///< where kind is Block: a divisor of the columns, within these limits
  static constexpr std::uint32_t kLeastBlock = 32;
  static constexpr std::uint32_t kMostBlock = 256;
};

/// The weights that share a scale follow each other: group g is [g · size, (g + 1) · size) of the row-major
/// matrix.
struct Groups {
  std::uint64_t count;
  std::uint64_t size;
  std::uint64_t rows;  ///< of the matrix, in a group: all of them for a tensor, else 1
};

/// Throws InvalidArgument for a matrix whose shape is not that of `weights` (`shape`, `found`), a weight that
/// is not finite (`row`, `column`, `found`) or a block that is outside the limits or does not divide the
/// columns.
Groups groups_of(std::span<const float> weights, std::uint64_t rows, std::uint64_t cols, const Grain& grain);

}  // namespace sterna
