#include "quantize/assignment.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "quantize/knapsack.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

// Sums of n doubles in any order differ by at most n·2^-53 of the sum of magnitudes: room for n = 9000.
constexpr double kRounding = 1e-12;
constexpr double kExactCosts = 9007199254740992.0;  // 2^53: below it sums of whole doubles are exact

/// The options that may be taken, and what bounds their sums.
struct Question {
  std::vector<std::vector<std::uint32_t>> allowed;  ///< for each item, places of its options
  std::uint64_t least_cost = 0;
  double least_loss = 0;
  double rounding = 0;  ///< of a sum of losses
};

Question question_of(std::span<const Options> items) {
  Question question;
  double most_cost = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    std::vector<std::uint32_t>& allowed = question.allowed.emplace_back();
    std::uint64_t least_cost = std::numeric_limits<std::uint64_t>::max();
    double least_loss = std::numeric_limits<double>::infinity();
    double largest_loss = 0;
    double largest_cost = 0;
    for (std::uint32_t o = 0; o < items[i].size(); ++o) {
      const auto [cost, loss] = items[i][o];
      if (std::isnan(loss) || loss == -std::numeric_limits<double>::infinity()) {
        throw Error(ErrorCategory::InvalidArgument, "a loss is not a number",
                    {{"item", std::to_string(i)}, {"option", std::to_string(o)}});
      }
      if (std::isinf(loss)) continue;
      allowed.push_back(o);
      least_cost = std::min(least_cost, cost);
      least_loss = std::min(least_loss, loss);
      largest_cost = std::max(largest_cost, static_cast<double>(cost));
      largest_loss = std::max(largest_loss, std::abs(loss));
    }
    if (allowed.empty()) {
      throw Error(ErrorCategory::InvalidArgument, "an item has no option that may be taken",
                  {{"item", std::to_string(i)}, {"options", std::to_string(items[i].size())}});
    }
    most_cost += largest_cost;
    if (most_cost >= kExactCosts) {
      throw Error(ErrorCategory::Limit, "the costs are too large to be added exactly",
                  {{"item", std::to_string(i)}, {"expected", "a sum below 2^53"}});
    }
    question.least_cost += least_cost;
    question.least_loss += least_loss;
    question.rounding += kRounding * largest_loss;
  }
  return question;
}

/// Σ cost and Σ loss in the order of the items.
Assignment total(std::span<const Options> items, std::vector<std::uint32_t> choice) {
  Assignment result;
  result.choice = std::move(choice);
  for (std::size_t i = 0; i < items.size(); ++i) {
    result.cost += items[i][result.choice[i]].cost;
    result.loss += items[i][result.choice[i]].loss;
  }
  return result;
}

enum class Bounded { Cost, Loss };

Assignment assign(std::span<const Options> items, const Question& question, Bounded bounded, double limit,
                  std::size_t most_states) {
  Knapsack knapsack;
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto& choices = knapsack.items.emplace_back();
    for (const std::uint32_t o : question.allowed[i]) {
      const auto cost = static_cast<double>(items[i][o].cost);
      const double loss = items[i][o].loss;
      choices.push_back(bounded == Bounded::Cost ? Knapsack::Choice{cost, loss}
                                                 : Knapsack::Choice{loss, cost});
    }
  }
  knapsack.capacity = limit;
  // Of costs the sums are exact, but not the relaxation's fractions of them.
  knapsack.slack = bounded == Bounded::Cost ? question.rounding : 0.25;
  knapsack.most_states = most_states;
  KnapsackSolution solution = solve(knapsack);
  for (std::size_t i = 0; i < items.size(); ++i) solution.choice[i] = question.allowed[i][solution.choice[i]];
  Assignment result = total(items, std::move(solution.choice));
  const double reached = bounded == Bounded::Cost ? result.loss : static_cast<double>(result.cost);
  const double gap = reached - solution.dropped_bound;
  if (gap > knapsack.slack) result.gap = gap;
  return result;
}

}  // namespace

Assignment assign_within(std::span<const Options> items, std::uint64_t budget, std::size_t most_states) {
  const Question question = question_of(items);
  if (budget < question.least_cost) {
    throw Error(
        ErrorCategory::Limit, "the budget is below the least possible cost",
        {{"found", std::to_string(budget)}, {"expected", "at least " + std::to_string(question.least_cost)}});
  }
  const double limit = std::min(static_cast<double>(budget), kExactCosts);
  return assign(items, question, Bounded::Cost, limit, most_states);
}

Assignment assign_for_loss(std::span<const Options> items, double most_loss, std::size_t most_states) {
  const Question question = question_of(items);
  if (!(most_loss + question.rounding >= question.least_loss)) {
    throw Error(ErrorCategory::Limit, "the loss asked for is below the least possible",
                {{"found", std::to_string(most_loss)},
                 {"expected", "at least " + std::to_string(question.least_loss)}});
  }
  const double limit = std::min(most_loss, std::numeric_limits<double>::max()) + question.rounding;
  return assign(items, question, Bounded::Loss, limit, most_states);
}

std::vector<Assignment> frontier(std::span<const Options> items, std::size_t points,
                                 std::size_t most_states) {
  if (points < 2) {
    throw Error(ErrorCategory::InvalidArgument, "a frontier has two ends",
                {{"found", std::to_string(points)}, {"expected", "at least 2 points"}});
  }
  const Question question = question_of(items);
  const auto within = [&](double budget) {
    return assign(items, question, Bounded::Cost, budget, most_states);
  };
  const auto least = static_cast<double>(question.least_cost);
  const auto most = static_cast<double>(within(kExactCosts).cost);
  std::vector<Assignment> found;
  for (std::size_t p = 0; p < points; ++p) {
    const double share = static_cast<double>(p) / static_cast<double>(points - 1);
    const double budget = least > 0 ? least * std::pow(most / least, share) : most * share;
    Assignment next = within(p + 1 == points ? most : std::floor(budget));
    // Where a gap remains, a larger budget may have found no better one.
    if (found.empty() || next.loss < found.back().loss) found.push_back(std::move(next));
  }
  return found;
}

}  // namespace sterna
