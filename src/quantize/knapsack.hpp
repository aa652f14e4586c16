// The multiple-choice knapsack over real numbers, which assignment.hpp states its questions in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sterna {

struct Knapsack {
  struct Choice {
    double weight;
    double value;
  };
  std::vector<std::vector<Choice>> items;  ///< one choice is taken of each
  double capacity = 0;                     ///< most Σ weight
  /// Totals of values that differ by no more count as equal where something is thrown away: what sums of
  /// doubles in another order may differ by.
  double slack = 0;
  std::size_t most_states = 0;  ///< partial assignments kept at a time; beyond it the least promising go
};

struct KnapsackSolution {
  std::vector<std::uint32_t> choice;  ///< for each item, the place of what was taken of it
  double dropped_bound;  ///< no assignment that was given up unseen has a lower Σ value; else +∞
};

/// Least Σ value with Σ weight ≤ capacity; of several such the lightest. Weights and values are finite and
/// may be negative; every item has a choice, and the lightest ones together fit (else the result is
/// meaningless). The result depends on the numbers alone.
///
/// Kellerer, Pferschy & Pisinger, Knapsack Problems (2004), chapter 11: the linear relaxation gives a bound
/// and an assignment to beat, its multiplier excludes the choices that cannot be in a better one (§11.3), and
/// dynamic programming over the rest keeps undominated partial assignments whose bound can still beat it
/// (§11.5).
KnapsackSolution solve(const Knapsack& knapsack);

}  // namespace sterna
