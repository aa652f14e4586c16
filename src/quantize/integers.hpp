// Weights as integers of a few bits with a scale, and for some formats a zero point, for each group.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "quantize/grain.hpp"
#include "quantize/rounding.hpp"

namespace sterna {

/// w ≈ (code − zero) · scale.
struct IntegerScale {
  float scale;
  std::int32_t zero;
};

/// A row of the table of formats. Of a group of finite weights w:
///   binary            code = −1 where w < 0, else +1; scale = mean|w|, the best for these codes (Rastegari
///   et
///                     al. 2016, arXiv:1603.05279)
///   intB              code in [−M, M], M = 2^(B−1) − 1; scale = max|w| / M, zero = 0
///   intB-asymmetric   code in [−2^(B−1), 2^(B−1) − 1]; scale = (most − least) / (2^B − 1), where least ≤ 0 ≤
///                     most, so that 0 is stored exactly; zero = round(−2^(B−1) − least / scale)
/// A scale below the normal floats (2^−126) is 0, and so is what it scales.
///
/// |w − (code − zero) · scale| is at most
///   scale / 2 + m · 2^−22   rounded to nearest: m = max|w|, and the second part what float32 loses
///   scale + m · 2^−22       rounded stochastically; the average is w but for asymmetric codes, where up to
///                           half a step at either end has no code beyond it
///   max(scale, m − scale)   binary, whose Σ (w − code · scale)² is Σ w² − n · scale²
struct IntegerFormat {
  std::string_view name;
  int bits;
  bool zero_point;
  std::int8_t least;  ///< codes
  std::int8_t most;
  IntegerScale (*choose)(std::span<const float> group, const IntegerFormat& format);
};
std::span<const IntegerFormat> integer_formats() noexcept;
/// Null for a name that is not in the table.
const IntegerFormat* find_integer_format(std::string_view name) noexcept;

struct IntegerMatrix {
  const IntegerFormat* format = nullptr;  ///< a row of the table
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  Grain grain;
  std::vector<std::int8_t> codes;    ///< [rows, cols], row-major
  std::vector<IntegerScale> scales;  ///< one for each group
};

/// A matrix [rows, cols], row-major. Throws as `groups_of`, and InvalidArgument for binary codes that are to
/// be rounded stochastically.
IntegerMatrix quantize_integers(std::span<const float> weights, std::uint64_t rows, std::uint64_t cols,
                                const IntegerFormat& format, const Grain& grain,
                                const Rounding& rounding = {});

/// out[i] = (code − zero) · scale, one rounding; `out` is [rows, cols]. Throws InvalidArgument for another
/// size.
void dequantize(const IntegerMatrix& matrix, std::span<float> out);

}  // namespace sterna
