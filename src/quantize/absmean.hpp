// Ternary weights from float ones, as BitNet b1.58 trains and publishes them (Ma et al. 2024,
// arXiv:2402.17764).
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "packing/registry.hpp"
#include "quantize/grain.hpp"
#include "sterna/dtype.hpp"

namespace sterna {

/// scale = max(mean|W|, 1e-5);  trit = clamp(round_half_even(W / scale), −1, 1), which is the sign of W where
/// |W| > scale / 2 and 0 elsewhere.
///
/// `weights` are rows × cols numbers of F32, F16 or BF16, row-major, of any alignment; W are those that share
/// a scale, as `grain` says (a block of any size that divides the columns). Published quantisers keep the
/// scale in the dtype of the master weights: it is rounded to `round_scale_to` (F32, F16, BF16), while the
/// trits come from the scale before that.
///
/// The mean is a sum in double in a fixed order (of each row 32 strided sums, halved by adding the second
/// half to the first; then the rows one after another), rounded to float32: the same bits on every machine.
/// Throws InvalidArgument for another dtype, size or block, Format for a weight that is not finite (`row`,
/// `column`), Mismatch for a scale that `round_scale_to` cannot reach.
TernaryMatrix quantize_absmean(DType dtype, Bytes weights, std::uint64_t rows, std::uint64_t cols,
                               DType round_scale_to, const Grain& grain = {});

inline constexpr float kSmallestTernaryScale = 1e-5f;
/// Σ|W| in that order.
double sum_magnitudes(const float* weights, std::uint64_t rows, std::uint64_t cols);
/// The scale of n weights of this sum.
float absmean_scale(double sum, std::uint64_t n);

}  // namespace sterna
