// To the nearest code, or to one of the two beside a value by chance.
#pragma once

#include <cstdint>
#include <span>

#include "quantize/simd/loops.hpp"

namespace sterna {

enum class RoundingMode : std::uint8_t {
  Nearest,     ///< half to even
  Stochastic,  ///< up with the probability of the fraction, to 2^−24: the expected code is the value
};

/// Stochastic rounding draws Philox's number of the element's index in the matrix (sterna/random.hpp), with
/// the seed as key: the same codes for any number of threads and any order.
struct Rounding {
  RoundingMode mode = RoundingMode::Nearest;
  std::uint64_t seed = 0;
};

/// The codes of elements [first, first + x.size()) of a matrix.
void encode(std::span<const float> x, const quant::CodeGrid& grid, const Rounding& rounding,
            std::uint64_t first, std::int8_t* codes);

}  // namespace sterna
