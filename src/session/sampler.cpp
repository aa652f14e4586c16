#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "base/exp.hpp"
#include "sterna/error.hpp"
#include "sterna/sampling.hpp"

namespace sterna {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLargest = std::numeric_limits<float>::max();
/// Far beyond any context; keeps a mistyped number from allocating gigabytes.
constexpr std::uint32_t kLargestPenaltyWindow = 1u << 20;

[[noreturn]] void bad_option(std::string_view option, const std::string& found, std::string_view expected) {
  throw Error(ErrorCategory::InvalidArgument, "a sampling option is outside its range",
              {{"option", std::string(option)}, {"found", found}, {"expected", std::string(expected)}});
}

void require(bool good, std::string_view option, double found, std::string_view expected) {
  if (!good) bad_option(option, fmt::format("{}", found), expected);
}

/// SplitMix64 (Steele, Lea & Flood 2014): a hash of a counter.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  /// Uniform in [0, 1), a multiple of 2^-53.
  double next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }

 private:
  std::uint64_t state_;
};

/// How often each token occurs among the last `capacity` ones.
class Window {
 public:
  Window(std::size_t capacity, std::size_t vocab) : recent_(capacity), counts_(capacity ? vocab : 0) {}

  void push(TokenId token) {
    if (recent_.empty()) return;
    TokenId& slot = recent_[next_];
    if (size_ == recent_.size()) {
      --counts_[static_cast<std::size_t>(slot)];
    } else {
      ++size_;
    }
    slot = token;
    ++counts_[static_cast<std::size_t>(token)];
    next_ = (next_ + 1) % recent_.size();
  }

  /// Calls visit(token, count) once for each distinct token.
  template <class F>
  void for_each(F visit) {
    // A count is negative while its token has been visited, which saves a set.
    for (std::size_t i = 0; i < size_; ++i) {
      std::int32_t& count = counts_[static_cast<std::size_t>(recent_[i])];
      if (count < 0) continue;
      visit(recent_[i], count);
      count = -count;
    }
    for (std::size_t i = 0; i < size_; ++i) {
      std::int32_t& count = counts_[static_cast<std::size_t>(recent_[i])];
      count = std::abs(count);
    }
  }

  void clear() {
    std::fill(counts_.begin(), counts_.end(), 0);
    size_ = 0;
    next_ = 0;
  }

 private:
  std::vector<TokenId> recent_;  ///< a ring
  std::vector<std::int32_t> counts_;
  std::size_t size_ = 0;
  std::size_t next_ = 0;
};

struct Candidate {
  double weight;  ///< e^((logit − largest) / temperature): the probability, times a constant
  float logit;
  TokenId id;
};

/// A total order: what the algorithms of the standard library make of it does not depend on whose they are.
bool more_probable(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// Logits are read so many at a time, in lanes that the compiler makes vectors of: with a branch for each, a
// hundred thousand of them cost a hundredth of a token.
constexpr std::size_t kLanes = 16;
constexpr std::size_t kBlock = 32 * kLanes;

/// Whether each is a finite number or −∞.
bool are_logits(std::span<const float> values) {
  std::array<std::uint32_t, kLanes> bad{};
  for (std::size_t i = 0; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) bad[j] |= values[i + j] <= kLargest ? 0u : 1u;
  }
  for (const float value : values.last(values.size() % kLanes)) bad[0] |= value <= kLargest ? 0u : 1u;
  return std::ranges::all_of(bad, [](std::uint32_t any) { return any == 0; });
}

/// The largest of some numbers, none NaN; −∞ of none.
float largest_of(std::span<const float> values) {
  std::array<float, kLanes> most;
  most.fill(-kInfinity);
  for (std::size_t i = 0; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) most[j] = values[i + j] > most[j] ? values[i + j] : most[j];
  }
  for (const float value : values.last(values.size() % kLanes)) most[0] = std::max(most[0], value);
  return *std::ranges::max_element(most);
}

bool penalises(const SamplingOptions& options) {
  return options.repeat_penalty != 1.0f || options.presence_penalty != 0.0f ||
         options.frequency_penalty != 0.0f;
}

}  // namespace

void check(const SamplingOptions& options) {
  const SamplingOptions& o = options;
  require(std::isfinite(o.temperature), "temperature", o.temperature, "a finite number");
  require(o.top_k >= 0, "top_k", o.top_k, "0 (off) or more");
  require(o.top_p > 0 && o.top_p <= 1, "top_p", o.top_p, "more than 0 and at most 1");
  require(o.min_p >= 0 && o.min_p <= 1, "min_p", o.min_p, "0 to 1");
  require(o.repeat_penalty > 0 && std::isfinite(o.repeat_penalty), "repeat_penalty", o.repeat_penalty,
          "a finite number above 0");
  require(std::isfinite(o.presence_penalty), "presence_penalty", o.presence_penalty, "a finite number");
  require(std::isfinite(o.frequency_penalty), "frequency_penalty", o.frequency_penalty, "a finite number");
  require(o.penalty_window <= kLargestPenaltyWindow, "penalty_window", o.penalty_window,
          fmt::format("at most {}", kLargestPenaltyWindow));
  for (const auto& [id, bias] : o.logit_bias) {
    require(id >= 0, "logit_bias", id, "token ids from 0");
    require(!std::isnan(bias) && bias != kInfinity, "logit_bias", bias, "a finite number or minus infinity");
  }
}

struct Sampler::Impl {
  SamplingOptions options;
  Random random;
  Window window;
  std::size_t vocab;
  std::vector<float> changed_logits;  ///< [vocab] with bias and penalties, or empty if there are none
  std::span<const float> logits;      ///< those to choose by: the caller's, or the changed ones
  std::vector<Candidate> candidates;  ///< the first `count` of them are in use
  std::size_t count = 0;
  std::vector<TokenId> changed;  ///< ids whose logits bias or penalties change

  Impl(SamplingOptions wanted, std::size_t size)
      : options(std::move(wanted)),
        random(options.seed),
        window(penalises(options) ? options.penalty_window : 0, size),
        vocab(size),
        changed_logits(options.logit_bias.empty() && !penalises(options) ? 0 : size),
        // top-k keeps no more than k.
        candidates(options.top_k > 0 ? std::min(static_cast<std::size_t>(options.top_k), size) : size) {
    changed.reserve(options.logit_bias.size() + (penalises(options) ? options.penalty_window : 0));
  }

  void read(std::span<const float> in) {
    if (in.size() != vocab) {
      throw Error(ErrorCategory::InvalidArgument, "the logits are not those of the sampler's vocabulary",
                  {{"found", std::to_string(in.size())}, {"expected", std::to_string(vocab)}});
    }
    if (!are_logits(in)) {
      const auto bad = std::ranges::find_if(in, [](float logit) { return !(logit <= kLargest); });
      throw Error(ErrorCategory::Internal, "a logit is not a number",
                  {{"token", std::to_string(bad - in.begin())}, {"found", fmt::format("{}", *bad)}});
    }
    logits = in;
    if (changed_logits.empty()) return;
    std::ranges::copy(in, changed_logits.begin());
    logits = changed_logits;
    add_bias();
    penalise();
  }

  /// Sums of large numbers must not become infinite: +∞ − ∞ is no number.
  static float bounded(float logit) { return std::min(logit, kLargest); }

  void add_bias() {
    for (const auto& [id, bias] : options.logit_bias) {
      float& logit = changed_logits[static_cast<std::size_t>(id)];
      logit = bounded(logit + bias);
    }
  }

  void penalise() {
    window.for_each([&](TokenId id, std::int32_t occurrences) {
      float& logit = changed_logits[static_cast<std::size_t>(id)];
      logit = bounded(logit > 0 ? logit / options.repeat_penalty : logit * options.repeat_penalty);
      logit = bounded(logit - options.presence_penalty);
      logit = bounded(logit - options.frequency_penalty * static_cast<float>(occurrences));
    });
  }

  TokenId most_probable() const {
    float most = -kInfinity;
    std::size_t at = 0;
    for (std::size_t i = 0; i < vocab; i += kBlock) {
      const float of_block = largest_of(logits.subspan(i, std::min(kBlock, vocab - i)));
      if (of_block > most) most = of_block, at = i;
    }
    while (logits[at] != most) ++at;  // the first of equals, the lowest id
    return static_cast<TokenId>(at);
  }

  /// All possible tokens by id, or the k most probable in order.
  void collect() {
    // Off: a number of candidates that is never reached.
    const auto k = options.top_k > 0 ? static_cast<std::size_t>(options.top_k) : vocab + 1;
    const auto begin = candidates.begin();
    count = 0;
    // Once k are found they are a heap with the least probable first, which few of the others get past.
    const auto see = [&](std::size_t id) {
      const Candidate next{0, logits[id], static_cast<TokenId>(id)};
      if (count < k) {
        if (next.logit == -kInfinity) return;
        candidates[count++] = next;
        if (count == k) std::make_heap(begin, begin + static_cast<std::ptrdiff_t>(k), more_probable);
      } else if (next.logit > begin->logit) {
        const auto end = begin + static_cast<std::ptrdiff_t>(k);
        std::pop_heap(begin, end, more_probable);
        *(end - 1) = next;
        std::push_heap(begin, end, more_probable);
      }
    };
    for (std::size_t i = 0; i < vocab; i += kBlock) {
      const auto block = logits.subspan(i, std::min(kBlock, vocab - i));
      if (count == k && largest_of(block) <= begin->logit) continue;
      for (std::size_t id = i; id < i + block.size(); ++id) see(id);
    }
    if (options.top_k > 0) sort_part(0, count);
  }

  /// Moves the most probable candidates from `first` on to [first, last), in order.
  void sort_part(std::size_t first, std::size_t last) {
    const auto begin = candidates.begin();
    const auto at = [&](std::size_t i) { return begin + static_cast<std::ptrdiff_t>(i); };
    if (last < count) std::nth_element(at(first), at(last), at(count), more_probable);
    std::sort(at(first), at(last), more_probable);
  }

  /// Gives every candidate its weight and returns their sum, in the candidates' order.
  double weigh(float largest) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      Candidate& c = candidates[i];
      c.weight = portable_exp((static_cast<double>(c.logit) - static_cast<double>(largest)) /
                              static_cast<double>(options.temperature));
      sum += c.weight;
    }
    return sum;
  }

  /// Both filters keep the most probable candidates up to some point, so their order does not matter as long
  /// as top-p's share is of the sum before either: min-p goes first, since it needs no sorting.
  void keep_min_p() {
    if (options.min_p <= 0) return;
    const auto least = static_cast<double>(options.min_p);  // the most probable candidate weighs 1
    const auto end = candidates.begin() + static_cast<std::ptrdiff_t>(count);
    const auto kept =
        std::remove_if(candidates.begin(), end, [&](const Candidate& c) { return c.weight < least; });
    count = static_cast<std::size_t>(kept - candidates.begin());
  }

  void keep_top_p(double sum) {
    if (options.top_p >= 1) return;
    const double wanted = static_cast<double>(options.top_p) * sum;
    double reached = 0;
    std::size_t sorted = 0;
    std::size_t kept = 0;
    // Usually few are needed, of a vocabulary of a hundred thousand: sort in parts that grow.
    for (std::size_t part = 64; kept < count && reached < wanted; ++kept) {
      if (kept == sorted) {
        sorted = std::min(count, sorted + part);
        sort_part(kept, sorted);
        part *= 4;
      }
      reached += candidates[kept].weight;
    }
    count = kept;
  }

  TokenId draw() {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += candidates[i].weight;
    const double target = random.next() * sum;
    double reached = 0;
    for (std::size_t i = 0; i < count; ++i) {
      reached += candidates[i].weight;
      if (target < reached) return candidates[i].id;
    }
    return candidates[count - 1].id;  // not reached: target < sum, which is the same additions
  }
};

Sampler::Sampler(SamplingOptions options, std::size_t vocab) {
  check(options);
  if (vocab == 0 || vocab > static_cast<std::size_t>(std::numeric_limits<TokenId>::max())) {
    throw Error(ErrorCategory::InvalidArgument, "no such vocabulary", {{"found", std::to_string(vocab)}});
  }
  for (const auto& [id, bias] : options.logit_bias) {
    require(static_cast<std::size_t>(id) < vocab, "logit_bias", id, fmt::format("token ids below {}", vocab));
  }
  impl_ = std::make_unique<Impl>(std::move(options), vocab);
}

Sampler::~Sampler() = default;
Sampler::Sampler(Sampler&&) noexcept = default;

TokenId Sampler::sample(std::span<const float> logits) {
  Impl& impl = *impl_;
  impl.read(logits);
  const TokenId best = impl.most_probable();
  const float largest = impl.logits[static_cast<std::size_t>(best)];
  if (largest == -kInfinity) {
    throw Error(ErrorCategory::InvalidArgument, "no token can follow: every logit is minus infinity");
  }
  if (impl.options.temperature <= 0) return best;
  impl.collect();
  const double sum = impl.weigh(largest);
  impl.keep_min_p();
  impl.keep_top_p(sum);
  return impl.draw();
}

std::optional<LogitsRead> Sampler::reads() const {
  Impl& impl = *impl_;
  const SamplingOptions& options = impl.options;
  constexpr double kAnywhere = std::numeric_limits<double>::infinity();
  LogitsRead reads{.top = 1, .below_best = kAnywhere, .always = {}};
  if (options.temperature > 0) {
    reads.top = static_cast<std::size_t>(options.top_k);
    // top-p's share is of the sum over all candidates, also those that min-p drops. Without it a weight
    // e^((logit − largest) / temperature) below min_p counts for nothing; a millionth more covers every
    // rounding.
    if (options.top_p >= 1 && options.min_p > 0) {
      reads.below_best = double{options.temperature} * (1e-6 - std::log(double{options.min_p}) * (1 + 1e-6));
    }
    if (reads.top == 0 && reads.below_best == kAnywhere) return std::nullopt;
  }
  impl.changed.clear();
  for (const auto& [id, bias] : options.logit_bias) impl.changed.push_back(id);
  impl.window.for_each([&](TokenId id, std::int32_t) { impl.changed.push_back(id); });
  reads.always = impl.changed;
  return reads;
}

void Sampler::accept(TokenId token) {
  if (token < 0 || static_cast<std::size_t>(token) >= impl_->vocab) {
    throw Error(ErrorCategory::InvalidArgument, "a token id is outside the vocabulary",
                {{"found", std::to_string(token)}, {"expected", fmt::format("0 to {}", impl_->vocab - 1)}});
  }
  impl_->window.push(token);
}

void Sampler::reset() {
  impl_->random = Random(impl_->options.seed);
  impl_->window.clear();
}

}  // namespace sterna
