// The loops of the quantisers over contiguous floats: written once in vectors, for whatever instructions the
// processor has, and once one element at a time. Both give the same bits for every input, also for infinities
// and NaN.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sterna::quant {

/// What floats become: code = clamp(round(x · inverse), least, most) + zero.
struct CodeGrid {
  float inverse;      ///< 1 / scale
  float least;        ///< whole numbers, so that clamping may come before rounding;
  float most;         ///< with `zero` added they are within int8
  std::int32_t zero;  ///< the code of 0
};

/// Of finite numbers the least and the greatest, 0 among them; NaN is passed over.
struct Extremes {
  float least;  ///< ≤ +0
  float most;   ///< ≥ +0
};

/// Partial sums of `magnitude_sums`: enough for vectors of doubles whose additions do not wait for each
/// other.
inline constexpr std::size_t kSumLanes = 32;

struct Loops {
  /// Adds to sums[l] the magnitudes x[i], i ≡ l mod 32, in increasing order.
  void (*magnitude_sums)(const float* x, std::size_t n, double* sums);
  /// max|x|, 0 of nothing; NaN where an x is NaN.
  float (*max_magnitude)(const float* x, std::size_t n);
  Extremes (*extremes)(const float* x, std::size_t n);
  /// (x > threshold) − (x < −threshold), threshold ≥ 0; 0 for NaN.
  void (*ternarize)(const float* x, std::size_t n, float threshold, std::int8_t* trits);
  /// −1 where x < 0, else +1: also for −0 and NaN.
  void (*signs)(const float* x, std::size_t n, std::int8_t* codes);
  /// Codes, rounded half to even; NaN gives the least code.
  void (*encode)(const float* x, std::size_t n, const CodeGrid& grid, std::int8_t* codes);
  /// Codes, rounded up where the fraction of x · inverse (in float32) is above units[i] in [0, 1), down
  /// elsewhere.
  void (*encode_stochastic)(const float* x, std::size_t n, const CodeGrid& grid, const float* units,
                            std::int8_t* codes);
  /// (code − zero) · scale.
  void (*decode)(const std::int8_t* codes, std::size_t n, float scale, std::int32_t zero, float* out);
  /// out[i] = a multiple of 2^−24 in [0, 1), of word e mod 4 of Philox's block ⌊e / 4⌋, e = first + i.
  void (*random_units)(std::uint64_t seed, std::uint64_t first, std::size_t n, float* out);
};

const Loops& loops();                  ///< in vectors
const Loops& scalar_loops() noexcept;  ///< the reference

}  // namespace sterna::quant
