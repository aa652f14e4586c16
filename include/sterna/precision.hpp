// How finely weights are stored, and what that costs in themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sterna {

/// How the weights of one matrix are stored; the GGUF type that each becomes is in docs/quantization.md.
enum class Precision : std::uint8_t { Ternary, Int2, Int4, Int8, F16 };
std::string_view to_string(Precision precision) noexcept;  ///< "ternary", "int2", …
std::optional<Precision> precision_from_name(std::string_view name) noexcept;

/// How threshold and scale of the weights that become trits together are chosen (docs/quantization.md).
enum class TernaryRule : std::uint8_t {
  AbsMean,               ///< BitNet b1.58 (Ma et al. 2024, arXiv:2402.17764)
  AbsMedian,             ///< BitNet b1.58 Reloaded (Nielsen & Schneider-Kamp 2024, arXiv:2407.09527)
  Percentile,            ///< a share of the weights becomes zero
  LeastSquares,          ///< the exact optimum of ternary weight networks (Li et al. 2016, arXiv:1605.04711)
  WeightedLeastSquares,  ///< the same, of errors weighted with what the inputs are on average
};
std::string_view to_string(TernaryRule rule) noexcept;  ///< "absmean", …
std::optional<TernaryRule> ternary_rule_from_name(std::string_view name) noexcept;

/// What a mixed assignment is for. Memory and speed halve or more what accuracy would use.
enum class Policy : std::uint8_t { Memory, Balanced, Accuracy, Speed };
std::optional<Policy> policy_from_name(std::string_view name) noexcept;

/// The first rule whose pattern matches a matrix's name decides. `*` stands for any characters, `?` for one.
struct PrecisionRule {
  std::string pattern;  ///< "blk.*.ffn_down", "token_embd"
  Precision precision;
};

/// Relative and absolute errors of stored weights ŵ against the float ones w, over all elements of a matrix.
struct WeightError {
  double mse = 0;        ///< mean (ŵ − w)²
  double sqnr = 0;       ///< 10·log10(Σ w² / Σ (ŵ − w)²), dB; infinite when exact
  double cosine = 0;     ///< Σ w·ŵ / √(Σ w² · Σ ŵ²)
  double max_error = 0;  ///< max |ŵ − w|
};

}  // namespace sterna
