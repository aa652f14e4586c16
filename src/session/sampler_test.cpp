#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include "sterna/error.hpp"
#include "sterna/sampling.hpp"
#include "support/allocations.hpp"

namespace sterna {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Every step off but the draw.
SamplingOptions plain(std::uint64_t seed = 0) {
  SamplingOptions options;
  options.temperature = 1.0f;
  options.top_k = 0;
  options.top_p = 1.0f;
  options.min_p = 0.0f;
  options.seed = seed;
  return options;
}

SamplingOptions greedy() {
  SamplingOptions options = plain();
  options.temperature = 0.0f;
  return options;
}

std::vector<float> random_logits(std::size_t vocab, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> logits(vocab);
  for (float& logit : logits) logit = static_cast<float>(static_cast<double>(random()) * 0x1p-32 * 8 - 4);
  return logits;
}

/// The documented steps after the penalties, by the book: sort everything, filter, renormalise.
std::map<TokenId, double> distribution(const std::vector<float>& logits, const SamplingOptions& options) {
  std::vector<TokenId> ids;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] != -kInfinity) ids.push_back(static_cast<TokenId>(i));
  }
  const auto logit = [&](TokenId id) { return double{logits[static_cast<std::size_t>(id)]}; };
  std::stable_sort(ids.begin(), ids.end(), [&](TokenId a, TokenId b) { return logit(a) > logit(b); });
  if (options.top_k > 0 && ids.size() > static_cast<std::size_t>(options.top_k)) {
    ids.resize(static_cast<std::size_t>(options.top_k));
  }
  std::vector<double> p;
  for (const TokenId id : ids)
    p.push_back(std::exp((logit(id) - logit(ids[0])) / double{options.temperature}));
  const auto normalise = [&] {
    double sum = 0;
    for (const double v : p) sum += v;
    for (double& v : p) v /= sum;
  };
  normalise();
  std::size_t keep = 0;
  for (double sum = 0; keep < p.size() && sum < double{options.top_p}; ++keep) sum += p[keep];
  if (options.top_p < 1) p.resize(keep);
  normalise();
  const double least = double{options.min_p} * p[0];
  p.erase(std::remove_if(p.begin(), p.end(), [&](double v) { return v < least; }), p.end());
  normalise();
  std::map<TokenId, double> result;
  for (std::size_t i = 0; i < p.size(); ++i) result[ids[i]] = p[i];
  return result;
}

/// Draws and compares with the expected distribution: nothing outside it, and frequencies that fit. The seeds
/// are fixed, so this passes always or never.
void expect_distribution(const std::vector<float>& logits, const SamplingOptions& options) {
  const auto expected = distribution(logits, options);
  Sampler sampler(options, logits.size());
  constexpr int kDraws = 2000;
  std::map<TokenId, int> drawn;
  for (int i = 0; i < kDraws; ++i) ++drawn[sampler.sample(logits)];
  double chi_square = 0;
  int cells = 0;
  double rare_expected = 0;
  int rare_drawn = 0;
  for (const auto& [id, p] : expected) {
    const double wanted = p * kDraws;
    if (wanted < 10) {  // too few for the statistic: taken together
      rare_expected += wanted;
      rare_drawn += drawn[id];
      continue;
    }
    chi_square += (drawn[id] - wanted) * (drawn[id] - wanted) / wanted;
    ++cells;
  }
  for (const auto& [id, n] : drawn) EXPECT_TRUE(n == 0 || expected.count(id)) << "token " << id;
  EXPECT_NEAR(rare_drawn, rare_expected, 5 * std::sqrt(rare_expected) + 1);
  // Mean cells − 1, variance twice that.
  EXPECT_LE(chi_square, cells + 5 * std::sqrt(2.0 * cells));
}

ErrorCategory category_of(const auto& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.category();
  }
  ADD_FAILURE() << "nothing thrown";
  return ErrorCategory::Cancelled;
}

TEST(Sampler, GreedyTakesTheLargestAndOfEqualsTheLowest) {
  Sampler sampler(greedy(), 6);
  EXPECT_EQ(sampler.sample(std::vector<float>{0, 1, 3, 2, 3, 3}), 2);
  EXPECT_EQ(sampler.sample(std::vector<float>(6, -5.0f)), 0);
  EXPECT_EQ(sampler.sample(std::vector<float>{-kInfinity, -kInfinity, -9, -kInfinity, -9, -kInfinity}), 2);
  SamplingOptions negative = greedy();
  negative.temperature = -1.0f;
  EXPECT_EQ(Sampler(negative, 3).sample(std::vector<float>{1, 2, 0}), 1);
}

TEST(Sampler, TopKTakesTheLowestIdsOfEquals) {
  SamplingOptions options = plain();
  options.top_k = 3;
  Sampler sampler(options, 8);
  const std::vector<float> logits{1, 2, 1, 1, 2, 1, 1, 1};
  std::map<TokenId, int> drawn;
  for (int i = 0; i < 2000; ++i) ++drawn[sampler.sample(logits)];
  EXPECT_EQ(drawn.size(), 3u);
  EXPECT_TRUE(drawn.count(0) && drawn.count(1) && drawn.count(4));
}

/// Logits are read in blocks: of a large vocabulary, with many equals, the answer must not show where they
/// end.
TEST(Sampler, TakesTheSameOfALargeVocabularyAsTheSlowWay) {
  for (const std::size_t vocab : {511, 512, 513, 4096, 5003, 20000}) {
    for (unsigned seed = 0; seed < 40; ++seed) {
      std::vector<float> logits = random_logits(vocab, seed);
      // Few values or many; each way the largest occur anywhere.
      for (float& logit : logits) logit = seed % 2 == 0 ? std::round(logit * 40) : logit;
      const auto first = std::max_element(logits.begin(), logits.end());
      EXPECT_EQ(Sampler(greedy(), vocab).sample(logits), first - logits.begin()) << vocab << ", " << seed;

      SamplingOptions options = plain(seed);
      options.temperature = 100.0f;  // each of the five about as often as another
      options.top_k = 5;
      const auto expected = distribution(logits, options);
      Sampler sampler(options, vocab);
      std::map<TokenId, int> drawn;
      for (int i = 0; i < 60; ++i) ++drawn[sampler.sample(logits)];
      for (const auto& [id, n] : drawn)
        EXPECT_TRUE(expected.count(id)) << vocab << ", " << seed << ": " << id;
      EXPECT_EQ(drawn.size(), 5u) << vocab << ", " << seed;  // 60 draws miss one with 8e-6
    }
  }
}

TEST(Sampler, DrawsByProbability) {
  for (const std::size_t vocab : {1u, 2u, 7u, 40u, 1000u}) {
    for (const float temperature : {0.3f, 1.0f, 2.5f}) {
      SamplingOptions options = plain(vocab);
      options.temperature = temperature;
      expect_distribution(random_logits(vocab, 3), options);
    }
  }
}

TEST(Sampler, EachFilterKeepsWhatTheSlowWayKeeps) {
  for (unsigned seed = 0; seed < 4; ++seed) {
    const auto logits = random_logits(100, seed);
    for (const std::int32_t top_k : {1, 2, 17, 99, 100, 101, std::numeric_limits<std::int32_t>::max()}) {
      SamplingOptions options = plain(seed);
      options.top_k = top_k;
      expect_distribution(logits, options);
    }
    for (const float top_p : {1e-30f, 0.1f, 0.5f, 0.9f, 0.999f}) {
      SamplingOptions options = plain(seed);
      options.top_p = top_p;
      expect_distribution(logits, options);
    }
    for (const float min_p : {0.01f, 0.2f, 0.9f, 1.0f}) {
      SamplingOptions options = plain(seed);
      options.min_p = min_p;
      expect_distribution(logits, options);
    }
  }
}

TEST(Sampler, FiltersTogether) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    SamplingOptions options = plain(seed);
    options.temperature = 0.4f + 0.2f * static_cast<float>(seed % 4);
    options.top_k = static_cast<std::int32_t>(seed % 3) * 30;
    options.top_p = seed % 2 ? 0.6f : 0.95f;
    options.min_p = 0.1f * static_cast<float>(seed % 5);
    expect_distribution(random_logits(200, seed + 50), options);
  }
}

TEST(Sampler, MinusInfinityForbids) {
  auto logits = random_logits(20, 1);
  for (std::size_t i = 0; i < 20; i += 2) logits[i] = -kInfinity;
  expect_distribution(logits, plain());
  SamplingOptions options = plain();
  options.logit_bias = {{1, -kInfinity}, {3, 2.0f}, {3, 1.5f}};
  auto biased = logits;
  biased[1] = -kInfinity;
  biased[3] = biased[3] + 2.0f + 1.5f;
  const auto expected = distribution(biased, plain());
  Sampler sampler(options, 20);
  int third = 0;
  for (int i = 0; i < 10000; ++i) {
    const TokenId id = sampler.sample(logits);
    ASSERT_TRUE(expected.count(id));
    third += id == 3;
  }
  EXPECT_NEAR(third / 10000.0, expected.at(3), 0.02);
}

TEST(Sampler, PenaltiesFollowTheWindow) {
  constexpr std::size_t kVocab = 12;
  for (const std::uint32_t window : {1u, 3u, 8u, 64u}) {
    SamplingOptions options = greedy();
    options.repeat_penalty = 1.3f;
    options.presence_penalty = 0.4f;
    options.frequency_penalty = 0.25f;
    options.penalty_window = window;
    Sampler sampler(options, kVocab);
    std::deque<TokenId> recent;
    std::mt19937 random(window);
    for (unsigned step = 0; step < 400; ++step) {
      auto logits = random_logits(kVocab, 1000 + step);
      auto expected = logits;
      for (std::size_t id = 0; id < kVocab; ++id) {
        const auto n = std::count(recent.begin(), recent.end(), static_cast<TokenId>(id));
        if (n == 0) continue;
        expected[id] = expected[id] > 0 ? expected[id] / 1.3f : expected[id] * 1.3f;
        expected[id] = expected[id] - 0.4f - 0.25f * static_cast<float>(n);
      }
      const auto best = std::max_element(expected.begin(), expected.end()) - expected.begin();
      ASSERT_EQ(sampler.sample(logits), best) << "window " << window << " step " << step;
      ASSERT_EQ(sampler.sample(logits), best);  // sampling changes nothing
      const auto token = static_cast<TokenId>(random() % kVocab);
      sampler.accept(token);
      recent.push_back(token);
      if (recent.size() > window) recent.pop_front();
    }
  }
}

TEST(Sampler, AWindowOfNothingPenalisesNothing) {
  SamplingOptions options = greedy();
  options.presence_penalty = 100.0f;
  options.penalty_window = 0;
  Sampler sampler(options, 2);
  sampler.accept(1);
  EXPECT_EQ(sampler.sample(std::vector<float>{0, 1}), 1);
}

TEST(Sampler, ExtremeNumbersStayNumbers) {
  const float huge = std::numeric_limits<float>::max();
  SamplingOptions options = plain();
  options.repeat_penalty = 1e-30f;
  options.presence_penalty = -huge;
  options.logit_bias = {{0, huge}, {2, -huge}};
  options.temperature = std::numeric_limits<float>::denorm_min();
  Sampler sampler(options, 4);
  sampler.accept(0);
  sampler.accept(1);
  for (int i = 0; i < 100; ++i) {
    const TokenId id = sampler.sample(std::vector<float>{huge, huge, -huge, 0});
    EXPECT_TRUE(id == 0 || id == 1);
  }
}

TEST(Sampler, TheSameSeedGivesTheSameTokens) {
  const auto logits = random_logits(100, 9);
  const auto draws = [&](std::uint64_t seed) {
    Sampler sampler(plain(seed), 100);
    std::vector<TokenId> ids(12);
    for (TokenId& id : ids) id = sampler.sample(logits);
    sampler.accept(1);
    sampler.reset();
    for (const TokenId id : ids) EXPECT_EQ(sampler.sample(logits), id);
    return ids;
  };
  EXPECT_NE(draws(1), draws(2));
  // On every machine: these come from integer arithmetic, IEEE 754 and nothing else.
  EXPECT_EQ(draws(7), (std::vector<TokenId>{51, 11, 92, 64, 52, 38, 58, 47, 27, 52, 25, 99}));
}

TEST(Sampler, RefusesLogitsThatAreNoNumbers) {
  for (const SamplingOptions& options : {greedy(), plain()}) {
    Sampler sampler(options, 4);
    for (const float bad : {kNaN, kInfinity}) {
      try {
        sampler.sample(std::vector<float>{0, 1, bad, 3});
        ADD_FAILURE();
      } catch (const Error& error) {
        EXPECT_EQ(error.category(), ErrorCategory::Internal);
        EXPECT_EQ(error.value("token"), "2");
      }
    }
    EXPECT_EQ(category_of([&] { sampler.sample(std::vector<float>(4, -kInfinity)); }),
              ErrorCategory::InvalidArgument);
    EXPECT_EQ(category_of([&] { sampler.sample(std::vector<float>(3)); }), ErrorCategory::InvalidArgument);
    EXPECT_EQ(category_of([&] { sampler.accept(4); }), ErrorCategory::InvalidArgument);
    EXPECT_EQ(category_of([&] { sampler.accept(-1); }), ErrorCategory::InvalidArgument);
    EXPECT_EQ(sampler.sample(std::vector<float>{-kInfinity, -1, -kInfinity, -kInfinity}), 1);
  }
}

TEST(Sampler, RefusesALogitThatIsNoNumberWhereverItIs) {
  std::vector<float> logits(1021);
  Sampler sampler(greedy(), logits.size());
  for (const std::size_t at : {0, 15, 16, 511, 512, 1007, 1008, 1020}) {
    logits[at] = at % 2 == 0 ? kNaN : kInfinity;
    try {
      sampler.sample(logits);
      ADD_FAILURE() << at;
    } catch (const Error& error) {
      EXPECT_EQ(error.value("token"), std::to_string(at));
    }
    logits[at] = 0;
  }
}

TEST(Sampler, DrawsTheSameFromTheLogitsThatItReads) {
  constexpr std::size_t kVocab = 300;
  std::mt19937 random(11);
  std::size_t partial = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    SamplingOptions options = plain(seed);
    options.temperature = seed % 5 == 0 ? 0.0f : 0.3f * static_cast<float>(seed % 5);
    options.top_k = static_cast<std::int32_t>(seed % 3) * 9;
    options.top_p = seed % 2 ? 1.0f : 0.7f;
    options.min_p = seed % 4 < 2 ? 0.0f : 0.1f;
    if (seed % 7 < 3) options.repeat_penalty = 1.5f;
    if (seed % 7 == 1) options.logit_bias = {{5, 2.0f}, {6, -kInfinity}, {5, -0.5f}};
    Sampler whole(options, kVocab), part(options, kVocab);
    for (int step = 0; step < 6; ++step) {
      auto logits = random_logits(kVocab, 1000 * seed + static_cast<unsigned>(step));
      for (std::size_t i = 0; i < 50; ++i) logits[i] = logits[i + 50];  // ties
      auto read = logits;
      if (const auto reads = part.reads()) {
        ++partial;
        std::vector<float> ranked;
        const auto named = [&](std::size_t id) {
          return std::ranges::find(reads->always, static_cast<TokenId>(id)) != reads->always.end();
        };
        for (std::size_t id = 0; id < kVocab; ++id) {
          if (!named(id)) ranked.push_back(logits[id]);
        }
        std::ranges::sort(ranked, std::greater<>());
        double least = double{ranked[0]} - reads->below_best;
        if (reads->top > 0) least = std::max(least, double{ranked[reads->top - 1]});
        for (std::size_t id = 0; id < kVocab; ++id) {
          if (!named(id) && double{logits[id]} < least) read[id] = -kInfinity;
        }
      }
      const TokenId expected = whole.sample(logits);
      ASSERT_EQ(part.sample(read), expected) << "seed " << seed;
      whole.accept(expected);
      part.accept(expected);
    }
  }
  EXPECT_GT(partial, 1500u);
  EXPECT_FALSE(Sampler(plain(), 8).reads());  // every token may be drawn
}

TEST(Sampler, CheckNamesTheOption) {
  const auto expect_bad = [](const char* option, auto change) {
    SamplingOptions options;
    change(options);
    try {
      check(options);
      ADD_FAILURE() << option;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::InvalidArgument);
      EXPECT_EQ(error.value("option"), option);
    }
    EXPECT_EQ(category_of([&] { Sampler(options, 8); }), ErrorCategory::InvalidArgument);
  };
  for (const float v : {kNaN, kInfinity, -kInfinity}) {
    expect_bad("temperature", [&](auto& o) { o.temperature = v; });
    expect_bad("repeat_penalty", [&](auto& o) { o.repeat_penalty = v; });
    expect_bad("presence_penalty", [&](auto& o) { o.presence_penalty = v; });
    expect_bad("frequency_penalty", [&](auto& o) { o.frequency_penalty = v; });
  }
  expect_bad("top_k", [](auto& o) { o.top_k = -1; });
  for (const float v : {kNaN, 0.0f, -0.5f, 1.5f}) expect_bad("top_p", [&](auto& o) { o.top_p = v; });
  for (const float v : {kNaN, -0.1f, 1.1f}) expect_bad("min_p", [&](auto& o) { o.min_p = v; });
  for (const float v : {0.0f, -1.0f}) expect_bad("repeat_penalty", [&](auto& o) { o.repeat_penalty = v; });
  expect_bad("penalty_window", [](auto& o) { o.penalty_window = 0xffffffffu; });
  expect_bad("logit_bias", [](auto& o) { o.logit_bias = {{-1, 0.0f}}; });
  expect_bad("logit_bias", [](auto& o) { o.logit_bias = {{1, kNaN}}; });
  expect_bad("logit_bias", [](auto& o) { o.logit_bias = {{1, kInfinity}}; });
  SamplingOptions outside;
  outside.logit_bias = {{8, 1.0f}};
  check(outside);
  EXPECT_EQ(category_of([&] { Sampler(outside, 8); }), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of([&] { Sampler({}, 0); }), ErrorCategory::InvalidArgument);
  EXPECT_NO_THROW(check(SamplingOptions{}));
}

TEST(Sampler, AllocatesNothingAfterConstruction) {
  SamplingOptions options;
  options.repeat_penalty = 1.1f;
  options.frequency_penalty = 0.1f;
  options.logit_bias = {{3, 1.0f}};
  for (const std::int32_t top_k : {0, 40}) {
    for (const float temperature : {0.0f, 0.8f}) {
      options.top_k = top_k;
      options.temperature = temperature;
      const auto logits = random_logits(5000, 2);
      Sampler sampler(options, 5000);
      const std::size_t before = testing::allocations();
      for (int i = 0; i < 200; ++i) sampler.accept(sampler.sample(logits));
      sampler.reset();
      EXPECT_EQ(testing::allocations(), before);
    }
  }
  const std::size_t before = testing::allocations();
  const std::vector<float> one(1);
  EXPECT_EQ(testing::allocations(), before + 1);  // the counter counts
}

}  // namespace
}  // namespace sterna
