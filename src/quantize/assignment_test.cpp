#include "quantize/assignment.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <ctime>
#include <limits>
#include <random>
#include <tuple>

#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
using Items = std::vector<Options>;

/// Calls visit(cost, loss) for every assignment.
template <class Visit>
void for_each_assignment(const Items& items, Visit&& visit, std::size_t at = 0, std::uint64_t cost = 0,
                         double loss = 0) {
  if (at == items.size()) return visit(cost, loss);
  for (const Option& o : items[at]) for_each_assignment(items, visit, at + 1, cost + o.cost, loss + o.loss);
}

/// Losses are multiples of 1/64, so that sums are exact and results can be compared for equality.
Items random_items(std::mt19937_64& random, std::size_t most_items, std::uint64_t most_cost) {
  Items items(random() % (most_items + 1));
  for (Options& options : items) {
    options.resize(1 + random() % 4);
    for (Option& o : options) {
      o.cost = random() % (most_cost + 1);
      o.loss = static_cast<double>(static_cast<int>(random() % 80) - 8) / 64;
      if (random() % 16 == 0) o.loss = kInfinity;
    }
    options.front().loss = std::isinf(options.front().loss) ? 0.5 : options.front().loss;
  }
  return items;
}

/// What a real model's table looks like: sizes of a few shapes, losses that fall steeply with the bits, and
/// noise.
Items model_like(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform;
  std::normal_distribution<double> normal;
  Items items;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t weights = std::uint64_t{1} << (16 + i % 3);
    const double importance = std::exp(normal(random)) * 0.05;
    Options options;
    for (const auto& [bits, error] :
         {std::pair{2.06, 1.0}, {2.5, 0.6}, {4.5, 0.06}, {8.5, 0.002}, {16.0, 0.0}}) {
      options.push_back({static_cast<std::uint64_t>(static_cast<double>(weights) * bits / 8),
                         importance * error * (1 + 0.1 * uniform(random)) + 2e-4 * normal(random)});
    }
    items.push_back(options);
  }
  return items;
}

TEST(Assignment, LeastLossIsThatOfEveryAssignment) {
  std::mt19937_64 random(1);
  int infeasible = 0;
  for (int round = 0; round < 6000; ++round) {
    const Items items = random_items(random, 6, round % 2 ? 6 : 1000);
    const std::uint64_t budget = random() % (round % 2 ? 30 : 4000);
    std::pair best{kInfinity, std::uint64_t{0}};
    std::uint64_t least_cost = ~std::uint64_t{0};
    for_each_assignment(items, [&](std::uint64_t cost, double loss) {
      if (std::isinf(loss)) return;
      least_cost = std::min(least_cost, cost);
      if (cost <= budget) best = std::min(best, {loss, cost});
    });
    try {
      const Assignment found = assign_within(items, budget);
      ASSERT_EQ(std::pair(found.loss, found.cost), best) << round;
      ASSERT_EQ(found.gap, 0);
      ASSERT_EQ(found.choice.size(), items.size());
    } catch (const Error& error) {
      ++infeasible;
      ASSERT_GT(least_cost, budget) << round << error.what();
      ASSERT_EQ(error.category(), ErrorCategory::Limit);
      ASSERT_EQ(error.value("expected"), "at least " + std::to_string(least_cost));
    }
  }
  EXPECT_GT(infeasible, 300);
  EXPECT_LT(infeasible, 3000);
}

TEST(Assignment, LeastCostIsThatOfEveryAssignment) {
  std::mt19937_64 random(2);
  int infeasible = 0;
  for (int round = 0; round < 6000; ++round) {
    const Items items = random_items(random, 6, round % 2 ? 6 : 1000);
    const double most_loss = static_cast<double>(static_cast<int>(random() % 200) - 20) / 64;
    std::pair best{~std::uint64_t{0}, kInfinity};
    double least_loss = kInfinity;
    for_each_assignment(items, [&](std::uint64_t cost, double loss) {
      if (std::isinf(loss)) return;
      least_loss = std::min(least_loss, loss);
      if (loss <= most_loss) best = std::min(best, {cost, loss});
    });
    try {
      const Assignment found = assign_for_loss(items, most_loss);
      ASSERT_EQ(std::pair(found.cost, found.loss), best) << round;
      ASSERT_EQ(found.gap, 0);
    } catch (const Error& error) {
      ++infeasible;
      ASSERT_GT(least_loss, most_loss) << round << error.what();
      ASSERT_EQ(error.value("expected"), "at least " + std::to_string(least_loss));
    }
  }
  EXPECT_GT(infeasible, 300);
  EXPECT_LT(infeasible, 3000);
}

// What is given up must be accounted for: the true optimum lies within the gap.
TEST(Assignment, TheGapCoversWhatWasGivenUp) {
  std::mt19937_64 random(3);
  int inexact = 0;
  for (int round = 0; round < 3000; ++round) {
    const Items items = random_items(random, 7, 1000);
    double least_loss = kInfinity;
    std::uint64_t most_cost = 0;
    for_each_assignment(items, [&](std::uint64_t cost, double) { most_cost = std::max(most_cost, cost); });
    const std::uint64_t budget = most_cost / 2;
    for_each_assignment(items, [&](std::uint64_t cost, double loss) {
      if (cost <= budget) least_loss = std::min(least_loss, loss);
    });
    if (std::isinf(least_loss)) continue;
    const Assignment found = assign_within(items, budget, 1 + random() % 2);
    ASSERT_LE(found.cost, budget);
    ASSERT_GE(found.loss, least_loss);
    ASSERT_LE(found.loss - found.gap, least_loss) << round;
    inexact += found.gap > 0;
  }
  EXPECT_GT(inexact, 20);
}

TEST(Assignment, AModelsTableIsSolvedExactlyAndSoon) {
  for (const std::size_t count : {40, 300}) {
    const Items items = model_like(count, count);
    const std::clock_t begin = std::clock();  // the processor's time: others may use the machine
    const auto points = frontier(items, 12);
    const Assignment half = assign_within(items, (points.front().cost + points.back().cost) / 2);
    const Assignment back = assign_for_loss(items, half.loss);
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    EXPECT_EQ(back.cost, half.cost);
    EXPECT_EQ(back.loss, half.loss);
    EXPECT_EQ(half.gap + back.gap, 0);
    ASSERT_GE(points.size(), 10u);
    for (std::size_t p = 0; p < points.size(); ++p) {
      EXPECT_EQ(points[p].gap, 0);
      if (p == 0) continue;
      EXPECT_LT(points[p].loss, points[p - 1].loss);
      EXPECT_GT(points[p].cost, points[p - 1].cost);
    }
    EXPECT_LT(seconds, 1) << "fourteen questions and one back";
  }
}

// Costs that are losses turned round and of no common measure: nothing dominates anything.
TEST(Assignment, TheWorstKindEndsWithAProof) {
  std::mt19937_64 random(4);
  Items items(60);
  for (Options& options : items) {
    for (int o = 0; o < 5; ++o) {
      const std::uint64_t cost = 1'000'000 + random() % 1'000'000'000;
      options.push_back(
          {cost, -static_cast<double>(cost) * (1 + 1e-7 * static_cast<double>(random() % 100))});
    }
  }
  const Assignment found = assign_within(items, 30'000'000'000, 2000);
  EXPECT_LE(found.cost, 30'000'000'000u);
  EXPECT_LE(found.gap, -found.loss * 1e-6);
}

TEST(Assignment, EndsOfTheRange) {
  EXPECT_TRUE(assign_within({}, 0).choice.empty());
  EXPECT_EQ(assign_for_loss({}, 0).cost, 0u);
  EXPECT_EQ(frontier({}, 2).size(), 1u);
  const Items items{{{5, 1.0}, {3, 2.0}, {3, 1.5}}, {{2, 0.25}, {1, 0.25}, {9, -0.5}}};
  EXPECT_EQ(assign_within(items, 4).choice, (std::vector<std::uint32_t>{2, 1}));
  EXPECT_EQ(assign_within(items, ~std::uint64_t{0}).choice, (std::vector<std::uint32_t>{0, 2}));
  EXPECT_EQ(assign_for_loss(items, kInfinity).choice, (std::vector<std::uint32_t>{2, 1}));
  EXPECT_EQ(assign_for_loss(items, 0.5).choice, (std::vector<std::uint32_t>{0, 2}));
  // Losses of no exact sum: the limit is kept up to rounding, whatever the order of the sum.
  const Items tenths(10, Options{{1, 0.1}, {0, 0.3}});
  EXPECT_EQ(assign_for_loss(tenths, 1.0).cost, 10u);
}

TEST(Assignment, RefusesWhatCannotBeAnswered) {
  const auto category = [](const Items& items, std::uint64_t budget = 10) {
    try {
      assign_within(items, budget);
    } catch (const Error& error) {
      return error.category();
    }
    return ErrorCategory::Internal;
  };
  EXPECT_EQ(category({{}}), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category({{{1, kInfinity}}}), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category({{{1, -kInfinity}}}), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category({{{1, std::nan("")}}}), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category({{{std::uint64_t{1} << 53, 0}}}), ErrorCategory::Limit);
  EXPECT_EQ(category({{{~std::uint64_t{0}, 0}}, {{~std::uint64_t{0}, 0}}}), ErrorCategory::Limit);
  EXPECT_EQ(category({{{11, 0}}}), ErrorCategory::Limit);
  EXPECT_THROW(assign_for_loss(Items{{{1, 0.5}}}, std::nan("")), Error);
  EXPECT_THROW(assign_for_loss(Items{{{1, 0.5}}}, 0.25), Error);
  EXPECT_THROW(frontier(Items{{{1, 0.5}}}, 1), Error);
}

}  // namespace
}  // namespace sterna
