// Ternary weights by any of the rules that choose a threshold and a scale, for one group or a whole matrix.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "packing/registry.hpp"
#include "quantize/grain.hpp"
#include "quantize/rounding.hpp"
#include "sterna/precision.hpp"

namespace sterna {

/// trit = (w > threshold) − (w < −threshold), and the weight that is stored is trit · scale.
struct TernaryChoice {
  float threshold;
  float scale;
  bool operator==(const TernaryChoice&) const = default;
};

struct TernaryOptions {
  /// Percentile: the share of zeros, in [0, 1). Of normally distributed weights the least-squares threshold
  /// is 0.612 deviations, below which 46 % of them are.
  double percentile = 0.46;
};

struct TernaryGroup {
  std::span<const float> weights;
  std::uint64_t rows = 1;             ///< of the matrix: AbsMean sums them one after another
  std::span<const float> importance;  ///< of element i: importance[i mod size]; empty: all 1
};

/// A row of the table of rules. With m = |w| of a group of n finite weights:
///   absmean        scale = max(mean m, 1e-5), threshold = scale / 2
///   absmedian      scale = max(median m, 1e-5), threshold = scale / 2; of an even n the two middle ones'
///   mean percentile     the ⌊percentile · n⌋ least become 0, but for those as large as the least that is
///   kept;
///                  scale = mean m of the kept ones
///   least-squares  of all (threshold, scale) the one with the least Σ (w − trit · scale)². For the k largest
///                  the best scale is S_k / k, S_k the sum of their m, and the error Σ w² − S_k² / k: so k
///                  maximises S_k² / k, the least such k. The threshold is the greatest m that becomes 0.
///   weighted-least-squares
///                  the same for Σ a (w − trit · scale)², a the importance: (Σ a m)² / Σ a over the k
///                  largest. A group without any importance is treated as if all were 1.
/// Sums are in double, in a fixed order; scales are rounded once to float32.
struct TernaryRuleInfo {
  TernaryRule rule;
  std::string_view name;
  TernaryChoice (*choose)(const TernaryGroup& group, const TernaryOptions& options);
};
std::span<const TernaryRuleInfo> ternary_rules() noexcept;
const TernaryRuleInfo& info(TernaryRule rule) noexcept;

/// The choice for one group. `importance` is mean x² of the input channel that each weight multiplies, or
/// empty; only WeightedLeastSquares reads it. Throws InvalidArgument for a weight or an importance that is
/// not finite (`index`), a negative importance, another number of them than of weights, or a percentile
/// outside [0, 1); Limit for more than 2^32 weights.
TernaryChoice choose_ternary(TernaryRule rule, std::span<const float> weights,
                             std::span<const float> importance = {}, const TernaryOptions& options = {});

/// A matrix [rows, cols], row-major; `importance` [cols] or empty. AbsMean of a tensor gives the trits and
/// the scale of quantize_absmean (quantize/absmean.hpp). Stochastic rounding takes the scale of the rule and
/// no threshold: the trit is w / scale, clamped to [−1, 1] and rounded, so that on average the stored weight
/// is w where |w| ≤ scale. A scale below the normal floats gives zeros.
///
/// |w − trit · scale| is at most max(threshold, scale − threshold) where |w| ≤ scale, and |w| − scale beyond;
/// scale where it is rounded stochastically. Throws as `choose_ternary` and `groups_of`.
TernaryMatrix quantize_ternary(std::span<const float> weights, std::uint64_t rows, std::uint64_t cols,
                               TernaryRule rule, const Grain& grain, std::span<const float> importance = {},
                               const TernaryOptions& options = {}, const Rounding& rounding = {});

}  // namespace sterna
