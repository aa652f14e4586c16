#include "quantize/knapsack.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace sterna {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What is left of an item: lightest first, each heavier one of lower value. Weights and values are those
/// above its lightest choice, so that large constants cost no digits.
struct Choice {
  double weight;
  double value;
  std::uint32_t index;  ///< in the question
};
using Item = std::vector<Choice>;

/// From one corner of an item's lower convex hull to the next: the most value for its weight comes first.
struct Step {
  double weight;  ///< > 0
  double value;   ///< < 0
  std::uint32_t item;
  std::uint32_t from, to;  ///< places in the item
  double slope() const { return value / weight; }
};

Item undominated(const std::vector<Knapsack::Choice>& choices) {
  Item all;
  for (const auto& [weight, value] : choices) all.push_back({weight, value, std::uint32_t(all.size())});
  std::ranges::stable_sort(all, [](const Choice& a, const Choice& b) {
    return a.weight != b.weight ? a.weight < b.weight : a.value < b.value;
  });
  Item kept;
  for (const Choice& c : all) {
    if (kept.empty() || c.value < kept.back().value) kept.push_back(c);
  }
  const auto [weight, value, index] = kept.front();
  for (Choice& c : kept) c.weight -= weight, c.value -= value;
  return kept;
}

/// The steps of all items by slope, steepest first; those of one item in their order.
std::vector<Step> hull_steps(const std::vector<Item>& items) {
  std::vector<Step> steps;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    std::vector<std::uint32_t> corners;
    for (std::uint32_t c = 0; c < item.size(); ++c) {
      const auto above = [&](const Choice& a, const Choice& b, const Choice& end) {
        return (b.value - a.value) * (end.weight - b.weight) >= (end.value - b.value) * (b.weight - a.weight);
      };
      while (corners.size() > 1 && above(item[corners[corners.size() - 2]], item[corners.back()], item[c])) {
        corners.pop_back();
      }
      corners.push_back(c);
    }
    for (std::size_t c = 1; c < corners.size(); ++c) {
      const Choice &a = item[corners[c - 1]], &b = item[corners[c]];
      steps.push_back({b.weight - a.weight, b.value - a.value, i, corners[c - 1], corners[c]});
    }
  }
  std::ranges::stable_sort(steps, [](const Step& a, const Step& b) { return a.slope() < b.slope(); });
  return steps;
}

/// The least Σ value of some items when choices may be mixed, as a function of the room beyond their lightest
/// choices: convex, and linear between sums of steps.
class Relaxation {
 public:
  template <class Belongs>
  Relaxation(const std::vector<Step>& steps, Belongs&& belongs) {
    for (const Step& step : steps) {
      if (!belongs(step.item)) continue;
      ends_.push_back({ends_.back().weight + step.weight, ends_.back().value + step.value});
    }
    at_ = ends_.size() - 1;
  }
  /// For room ≥ 0 that is no larger than at the call before.
  double operator()(double room) {
    while (at_ > 0 && ends_[at_].weight > room) --at_;
    if (at_ + 1 == ends_.size()) return ends_[at_].value;
    const Knapsack::Choice &a = ends_[at_], &b = ends_[at_ + 1];
    return a.value + (b.value - a.value) * ((room - a.weight) / (b.weight - a.weight));
  }

 private:
  std::vector<Knapsack::Choice> ends_{{0, 0}};
  std::size_t at_ = 0;
};

class Solver {
 public:
  explicit Solver(const Knapsack& knapsack)
      : slack_(knapsack.slack), most_states_(std::max<std::size_t>(knapsack.most_states, 1)) {
    capacity_ = knapsack.capacity;
    for (const auto& choices : knapsack.items) {
      items_.push_back(undominated(choices));
      const Knapsack::Choice& lightest = choices[items_.back().front().index];
      capacity_ -= lightest.weight;
      shift_ += lightest.value;
    }
    steps_ = hull_steps(items_);
  }

  KnapsackSolution run() {
    best_.assign(items_.size(), 0);
    fill(
        best_, [](std::uint32_t) { return true; }, capacity_);
    best_value_ = value_of(best_);
    if (exclude()) {
      steps_ = hull_steps(items_);
      search();
    }
    KnapsackSolution solution{{}, dropped_ + shift_};
    for (std::size_t i = 0; i < items_.size(); ++i) {
      solution.choice.push_back(best_indices_.empty() ? items_[i][best_[i]].index : best_indices_[i]);
    }
    return solution;
  }

 private:
  using Places = std::vector<std::uint32_t>;
  struct State {
    double weight, value, bound;
  };
  struct Link {
    std::uint32_t parent, place;  ///< the state it came from, and the choice that was added
  };

  double value_of(const Places& places) const {
    double value = 0;
    for (std::size_t i = 0; i < items_.size(); ++i) value += items_[i][places[i]].value;
    return value;
  }

  /// Takes every step that fits, steepest first, then for each item the last choice that still does.
  template <class Belongs>
  void fill(Places& places, Belongs&& belongs, double room) const {
    for (const Step& step : steps_) {
      if (!belongs(step.item) || places[step.item] != step.from || step.weight > room) continue;
      places[step.item] = step.to;
      room -= step.weight;
    }
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      if (!belongs(i)) continue;
      const Item& item = items_[i];
      const double held = item[places[i]].weight;
      for (auto place = static_cast<std::uint32_t>(item.size() - 1); place > places[i]; --place) {
        if (item[place].weight - held > room) continue;
        room -= item[place].weight - held;
        places[i] = place;
      }
    }
  }

  /// Takes out the choices that are in no assignment better than the best known; false when that is optimal.
  /// With λ the slope at which the relaxation's room ends, Σ min (value + λ·weight) − λ·capacity bounds every
  /// assignment from below, and a choice above its item's minimum adds by how much.
  bool exclude() {
    double room = capacity_;
    const auto split =
        std::ranges::find_if(steps_, [&](const Step& step) { return (room -= step.weight) < 0; });
    if (split == steps_.end()) return false;  // every item's last choice fits: `fill` has taken them
    const double multiplier = -split->slope();
    const auto priced = [&](const Choice& c) { return c.value + multiplier * c.weight; };
    const auto cheapest = [&](const Item& item) {
      return priced(*std::ranges::min_element(item, {}, priced));
    };
    double bound = -multiplier * capacity_;
    for (const Item& item : items_) bound += cheapest(item);

    best_indices_.resize(items_.size());
    for (std::size_t i = 0; i < items_.size(); ++i) best_indices_[i] = items_[i][best_[i]].index;
    std::vector<double> regret(items_.size(), kInfinity);  // the least that another choice adds
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      Item& item = items_[i];
      const double least = cheapest(item);
      std::erase_if(item, [&](const Choice& c) {
        const double added = priced(c) - least;
        if (added > 0) regret[i] = std::min(regret[i], added);
        return bound + added > best_value_ + slack_;
      });
      order_.push_back(i);
    }
    // Items that are costly to change come first: few partial assignments survive them, and the relaxation of
    // the others, which can be mixed nearly for nothing, stays close to what is possible.
    std::ranges::stable_sort(order_, [&](std::uint32_t a, std::uint32_t b) { return regret[a] > regret[b]; });
    return true;
  }

  void search() {
    rank_.resize(items_.size());
    for (std::size_t k = 0; k < order_.size(); ++k) rank_[order_[k]] = k;
    std::vector<Knapsack::Choice> lightest(order_.size() + 1, {0, 0});  // of all items from one on
    for (std::size_t k = order_.size(); k-- > 0;) {
      const Choice& c = items_[order_[k]].front();
      lightest[k] = {lightest[k + 1].weight + c.weight, lightest[k + 1].value + c.value};
    }
    std::vector<State> states{{0, 0, 0}};
    for (std::size_t k = 0; k < order_.size() && !states.empty(); ++k) {
      extend(states, k, lightest[k + 1]);
      if (states.empty()) break;
      thin(states);
      complete(states, k, lightest[k + 1].weight);
    }
  }

  /// Adds one item to every state. The states with one choice added are in order of weight already, so the
  /// lists of all choices are merged, and what is no lighter and no better than one before is left out.
  void extend(std::vector<State>& states, std::size_t k, const Knapsack::Choice& rest) {
    const Item& item = items_[order_[k]];
    Relaxation relaxation(steps_, [&](std::uint32_t i) { return rank_[i] > k; });
    std::vector<State> next;
    std::vector<Link>& links = links_.emplace_back();
    std::vector<std::uint32_t> heads(item.size(), 0);
    double best = kInfinity;
    for (;;) {
      State least{kInfinity, kInfinity, 0};
      std::uint32_t from = 0;
      for (std::uint32_t c = 0; c < item.size(); ++c) {
        if (heads[c] == states.size()) continue;
        const double weight = states[heads[c]].weight + item[c].weight;
        const double value = states[heads[c]].value + item[c].value;
        if (weight < least.weight || (weight == least.weight && value < least.value)) {
          least = {weight, value, 0};
          from = c;
        }
      }
      const double room = capacity_ - least.weight - rest.weight;
      if (!(room >= 0)) break;  // all that follow are heavier; or none follows
      const std::uint32_t parent = heads[from]++;
      if (least.value >= best) continue;
      best = least.value;
      least.bound = least.value + rest.value + relaxation(room);
      if (least.bound > best_value_ + slack_) continue;
      next.push_back(least);
      links.push_back({parent, from});
    }
    states = std::move(next);
  }

  /// Keeps the states with the lowest bounds, and of those that go the lowest.
  void thin(std::vector<State>& states) {
    if (states.size() <= most_states_) return;
    std::vector<double> bounds;
    for (const State& state : states) bounds.push_back(state.bound);
    const auto last = bounds.begin() + static_cast<std::ptrdiff_t>(most_states_);
    std::nth_element(bounds.begin(), last, bounds.end());
    const double limit = *last;
    dropped_ = std::min(dropped_, limit);
    std::vector<Link>& links = links_.back();
    auto ties = static_cast<std::size_t>(std::ranges::count(bounds.begin(), last, limit));  // of them as many
    std::size_t kept = 0;
    for (std::size_t s = 0; s < states.size(); ++s) {
      if (states[s].bound > limit || (states[s].bound == limit && ties == 0)) continue;
      if (states[s].bound == limit) --ties;
      states[kept] = states[s];
      links[kept++] = links[s];
    }
    states.resize(kept);
    links.resize(kept);
    links.shrink_to_fit();  // one list for each item is kept to the end
  }

  /// Makes an assignment of the most promising state, and keeps it if it is the best so far.
  void complete(const std::vector<State>& states, std::size_t k, double rest_weight) {
    // With all items added the last state has the least value, and is the lightest that has.
    const bool last = k + 1 == order_.size();
    const auto chosen = last ? std::prev(states.end()) : std::ranges::min_element(states, {}, &State::bound);
    Places places(items_.size(), 0);
    auto at = static_cast<std::uint32_t>(chosen - states.begin());
    for (std::size_t j = k + 1; j-- > 0;) {
      places[order_[j]] = links_[j][at].place;
      at = links_[j][at].parent;
    }
    fill(
        places, [&](std::uint32_t i) { return rank_[i] > k; }, capacity_ - chosen->weight - rest_weight);
    const double value = value_of(places);
    if (value > best_value_ || (value == best_value_ && !last)) return;
    best_value_ = value;
    for (std::size_t i = 0; i < items_.size(); ++i) best_indices_[i] = items_[i][places[i]].index;
  }

  double slack_;
  std::size_t most_states_;
  double capacity_ = 0;  ///< beyond the lightest choices
  double shift_ = 0;     ///< Σ value of the lightest choices
  std::vector<Item> items_;
  std::vector<Step> steps_;
  Places best_;
  std::vector<std::uint32_t> best_indices_;  ///< the best assignment, once `exclude` renumbered the places
  double best_value_ = 0;
  double dropped_ = kInfinity;
  std::vector<std::uint32_t> order_;  ///< items as they are added
  std::vector<std::size_t> rank_;     ///< their place in it
  std::vector<std::vector<Link>> links_;
};

}  // namespace

KnapsackSolution solve(const Knapsack& knapsack) {
  return Solver(knapsack).run();
}

}  // namespace sterna
