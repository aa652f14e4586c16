// Which group size an I2_S file was written with. Format and byte order: docs/formats.md.
#pragma once

#include <cstdint>
#include <string_view>

#include "format/gguf/gguf.hpp"

namespace sterna::gguf {

/// What our own writer states: u32, 64 or 128. Other programs state nothing.
inline constexpr std::string_view kI2sGroupKey = "sterna.i2s_group";

/// What the weights say. Read with the wrong group size, the columns of a matrix are permuted within every
/// 128. Trained columns differ in how many of their weights are not zero, and the file holds vectors that go
/// with this density and are not permuted: the weights of the norm before the matrix, and for the second
/// matrix of a feed-forward block the density of the first ones' rows.
struct I2sGroupEvidence {
  /// Standard normal for weights without any such relation (random ones); far above 0 for groups of 128, far
  /// below for groups of 64.
  double z = 0;
  unsigned comparisons = 0;  ///< of a vector with a matrix
};

/// Looks at a sample of layers and rows. Matrices whose column count is no multiple of 128 tell nothing:
/// their groups straddle rows.
I2sGroupEvidence weigh_i2s_group(const Container& container);

/// |z| from which detect_i2s_group decides. Random weights pass it once in 500 million files.
inline constexpr double kI2sGroupDecisiveZ = 6;

}  // namespace sterna::gguf
