// Which of several ways to store it each matrix gets, so that all together cost or lose the least.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sterna {

/// One way to store a matrix.
struct Option {
  std::uint64_t cost;  ///< bytes, or any other whole number that adds up
  double loss;         ///< nats a token, say; below 0 where noise made it so; +∞ where it may not be taken
};
using Options = std::vector<Option>;

struct Assignment {
  std::vector<std::uint32_t> choice;  ///< for each item, the place of its option
  std::uint64_t cost = 0;             ///< Σ of the chosen
  double loss = 0;
  /// Proven: no assignment that keeps the limit has an objective lower than this one's by more. 0 says that
  /// it is optimal, up to 1e-12 · Σ max |loss|, which is what sums in another order may differ by.
  double gap = 0;
};

/// Partial assignments that are kept at a time. Tables like those of measured sensitivities, 300 items of 5
/// options, need fewer than 100; 300 items made to be hard (loss nearly proportional to cost, all costs
/// different) reach it, take 1.3 s and 55 MB, and end with a gap of 6e-9 of the loss.
constexpr std::size_t kMostStates = std::size_t{1} << 14;

/// Takes one option of every item: the least Σ loss with Σ cost ≤ budget, of several such the cheapest. Exact
/// (dynamic programming over undominated partial assignments, bounded by the linear relaxation: knapsack.hpp)
/// unless more than `most_states` partial assignments could still become the best; then the least promising
/// are given up and `gap` says what that may have lost. The result depends on the arguments alone.
///
/// Throws InvalidArgument for an item without an option that may be taken or a loss that is NaN or −∞ (item),
/// Limit for a budget below the least possible cost (found, expected) and for costs that sum to 2^53 or more.
Assignment assign_within(std::span<const Options> items, std::uint64_t budget,
                         std::size_t most_states = kMostStates);

/// The other way round: the least Σ cost with Σ loss ≤ most_loss, of several such that of least loss. A sum
/// of losses above the limit by no more than rounding (see `gap`) keeps it. Throws as above; Limit names the
/// least possible loss.
Assignment assign_for_loss(std::span<const Options> items, double most_loss,
                           std::size_t most_states = kMostStates);

/// What each budget buys: assign_within for `points` ≥ 2 budgets, each the same multiple of the one before,
/// from the least possible cost to that of the least possible loss: losses fall fastest where costs are
/// least. Equal results once. Cost rises and loss falls from each to the next.
std::vector<Assignment> frontier(std::span<const Options> items, std::size_t points,
                                 std::size_t most_states = kMostStates);

}  // namespace sterna
