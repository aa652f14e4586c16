// A screened head gives the tokens that the whole head gives, over real text.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <limits>

#include "model/coarse_head.hpp"
#include "model/forward.hpp"
#include "model/model_impl.hpp"
#include "platform/mapped_file.hpp"
#include "sterna/session.hpp"
#include "support/allocations.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

constexpr std::uint32_t kWindow = 250;

struct Way {
  const char* name;
  SamplingOptions options;
};

std::vector<Way> ways() {
  SamplingOptions greedy, top_k, penalties, min_p, biased;
  greedy.temperature = 0;
  top_k.top_p = 1;
  top_k.min_p = 0;
  penalties.repeat_penalty = 1.3f;
  penalties.frequency_penalty = 0.2f;
  min_p.top_k = 0;
  min_p.top_p = 1;
  min_p.min_p = 0.02f;
  biased.temperature = 0;
  biased.presence_penalty = 0.7f;
  biased.logit_bias = {{11, 3.0f}, {12, -std::numeric_limits<float>::infinity()}, {300, -2.0f}, {11, 1.0f}};
  return {{"greedy", greedy},       {"top-k 40", top_k}, {"default", {}},
          {"penalties", penalties}, {"min-p", min_p},    {"bias and penalty, greedy", biased}};
}

/// The tokens that a sampler draws from all logits, and from those that it says it reads. The text goes on as
/// it is written, whatever is drawn.
struct Compared {
  std::size_t positions = 0;
  std::size_t differences = 0;
  HeadStatistics statistics;
};

Compared compare(const Model& model, std::span<const TokenId> text, const SamplingOptions& options,
                 unsigned threads) {
  const Model::Impl& impl = model.impl();
  ThreadPool pool(threads);
  Forward forward(model.config(), impl.weights, impl.dispatch, pool,
                  {.context = kWindow, .batch = kWindow, .kv = KvType::F32});
  const std::size_t vocab = model.config().vocab;
  std::vector<float> all(kWindow * vocab), some(vocab);
  Sampler whole(options, vocab), screened(options, vocab);
  std::atomic<bool> cancelled{false};
  Compared result;
  for (std::size_t at = 0; at < text.size(); at += kWindow) {
    const auto window = text.subspan(at, std::min<std::size_t>(kWindow, text.size() - at));
    forward.run(window, 0, cancelled);
    forward.logits(0, window.size(), all.data());
    for (std::size_t t = 0; t < window.size(); ++t, ++result.positions) {
      whole.accept(window[t]);
      screened.accept(window[t]);
      const auto reads = screened.reads();
      EXPECT_TRUE(reads);
      forward.logits(t, {reads->top, reads->below_best, reads->always}, some.data());
      result.differences += whole.sample({all.data() + t * vocab, vocab}) != screened.sample(some);
    }
  }
  result.statistics = forward.head_statistics();
  return result;
}

std::shared_ptr<const Model> screened_tales() {
  LoadOptions options;
  options.screen_head = true;
  const auto model = Model::load(testing::bundled_model(), options);
  EXPECT_GT(model->head_screen_bytes(), 0u);
  return model;
}

std::vector<TokenId> a_tale(const Model& model) {
  return model.tokenizer()->encode(
      "Once upon a time there lived a king who had three daughters, and the youngest was so beautiful that "
      "the sun "
      "itself, which has seen so much, was astonished whenever it shone in her face. Close by the castle lay "
      "a great "
      "dark forest, and under an old lime-tree in the forest was a well.");
}

TEST(ScreenedHeads, DrawTheSameTokens) {
  const auto model = screened_tales();
  const auto text = a_tale(*model);
  for (const auto& [name, options] : ways()) {
    for (const unsigned threads : {1u, 3u}) {
      const Compared result = compare(*model, text, options, threads);
      EXPECT_EQ(result.differences, 0u) << name;
      EXPECT_GT(result.statistics.screened, 0u) << name;
    }
  }
}

TEST(SlowScreenedHead, DrawsTheSameTokensAtTenThousandPositions) {
  STERNA_REQUIRE_SHARED(corpus, "corpus");
  const auto text = MappedFile::open(corpus / "tales-heldout.txt");
  const auto model = screened_tales();
  auto ids = model->tokenizer()->encode(std::string(as_text(text->bytes()).substr(0, 100000)), false);
  ASSERT_GE(ids.size(), 10000u);
  ids.resize(10000);
  for (const auto& [name, options] : ways()) {
    const Compared result = compare(*model, ids, options, 1);  // other tests need the other cores
    EXPECT_EQ(result.positions, 10000u);
    EXPECT_EQ(result.differences, 0u) << name;
    const double rows =
        static_cast<double>(result.statistics.rows) / static_cast<double>(result.statistics.screened);
    std::printf("%s: %zu of 10000 screened, %.2f %% of the rows kept\n", name,
                static_cast<std::size_t>(result.statistics.screened), 100 * rows / model->config().vocab);
  }
}

TEST(ScreenedHeads, GenerateTheSameText) {
  const auto whole = Model::load(testing::bundled_model());
  const auto screened = screened_tales();
  EXPECT_EQ(whole->head_screen_bytes(), 0u);
  const auto prompt = a_tale(*whole);
  for (const auto& [name, sampling] : ways()) {
    GenerateOptions options;
    options.max_tokens = 60;
    options.sampling = sampling;
    options.ignore_end = true;
    Session expected(whole, {.context = 256}), session(screened, {.context = 256});
    EXPECT_EQ(session.generate(prompt, options).tokens, expected.generate(prompt, options).tokens) << name;
    EXPECT_EQ(session.head_use().tokens, 60u) << name;
    EXPECT_GT(session.head_use().screened, 0u) << name;
    EXPECT_EQ(expected.head_use().tokens, 0u);
  }
}

TEST(ScreenedHeads, ComputeAllLogitsWhereAllAreAskedFor) {
  const auto whole = Model::load(testing::bundled_model());
  const auto screened = screened_tales();
  const auto prompt = a_tale(*whole);
  Session expected(whole, {.context = 256}), session(screened, {.context = 256});
  EXPECT_TRUE(std::ranges::equal(session.evaluate(prompt), expected.evaluate(prompt)));
  GenerateOptions options;
  options.max_tokens = 20;
  options.sampling.top_k = 0;  // top-p then needs the sum of all
  session.reset();
  expected.reset();
  EXPECT_EQ(session.generate(prompt, options).tokens, expected.generate(prompt, options).tokens);
  EXPECT_EQ(session.head_use().tokens, 0u);
}

TEST(ScreenedHeads, AllocateNothingPerToken) {
  const auto model = screened_tales();
  Session session(model, {.context = 256, .threads = 2});
  GenerateOptions options;
  options.max_tokens = 100;
  options.ignore_end = true;
  options.sampling.repeat_penalty = 1.1f;
  std::size_t after_first = 0, at_last = 0;
  session.generate(a_tale(*model), options, [&](std::string_view) {
    at_last = testing::allocations();
    if (after_first == 0) after_first = at_last;
    return true;
  });
  EXPECT_GT(session.head_use().screened, 0u);
  EXPECT_EQ(at_last, after_first);
}

}  // namespace
}  // namespace sterna
