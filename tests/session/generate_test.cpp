// Generating text with the bundled model.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "sterna/error.hpp"
#include "sterna/session.hpp"
#include "support/allocations.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

class Generate : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { model_ = Model::load(testing::bundled_model()); }
  static void TearDownTestSuite() { model_.reset(); }

  static std::vector<TokenId> prompt(std::string_view text = "Once upon a time there lived a king who had") {
    std::vector<TokenId> ids{*model_->tokenizer()->bos()};
    const auto rest = model_->tokenizer()->encode(text);
    ids.insert(ids.end(), rest.begin(), rest.end());
    return ids;
  }
  static GenerateOptions greedy(std::uint32_t n) {
    GenerateOptions options;
    options.max_tokens = n;
    options.sampling.temperature = 0;
    return options;
  }

  static inline std::shared_ptr<const Model> model_;
};

TEST_F(Generate, GreedyContinuesLikeTheReference) {
  Session session(model_, {.context = 128});
  const auto result = session.generate(prompt(), greedy(16));
  // The reference's continuation and this one part where two tokens are nearly tied, 16 tokens on.
  EXPECT_EQ(result.text, " three sons, who were so beautiful that they were not very poor. The king");
  EXPECT_EQ(result.stop, StopReason::Length);
  EXPECT_EQ(result.tokens.size(), 16u);
  EXPECT_EQ(session.position(), 11u + 16u);
}

TEST_F(Generate, TheCallbackGetsTheWholeTextInPieces) {
  Session session(model_, {.context = 128});
  std::string text;
  std::size_t pieces = 0;
  const auto result = session.generate(prompt(), greedy(30), [&](std::string_view piece) {
    text += piece;
    ++pieces;
    return true;
  });
  EXPECT_EQ(text, result.text);
  EXPECT_GT(pieces, 20u);
  EXPECT_EQ(text, model_->tokenizer()->decode(result.tokens));
}

TEST_F(Generate, GoesOnWhereItStopped) {
  Session whole(model_, {.context = 128});
  const auto expected = whole.generate(prompt(), greedy(20)).tokens;
  Session session(model_, {.context = 128});
  auto tokens = session.generate(prompt(), greedy(9)).tokens;
  // The last token is in the cache; evaluating it again gives the logits to go on from.
  session.rewind(session.position() - 1);
  const auto rest = session.generate({&tokens.back(), 1}, greedy(11)).tokens;
  tokens.insert(tokens.end(), rest.begin(), rest.end());
  EXPECT_EQ(tokens, expected);
}

TEST_F(Generate, ThreadsKvTypeAndSeedDecideAlone) {
  GenerateOptions options;
  options.max_tokens = 40;
  options.sampling.seed = 5;
  std::vector<TokenId> expected;
  for (const unsigned threads : {1u, 2u, 3u}) {
    Session session(model_, {.context = 128, .batch = 5 * threads, .threads = threads});
    const auto tokens = session.generate(prompt(), options).tokens;
    if (expected.empty()) expected = tokens;
    EXPECT_EQ(tokens, expected) << threads;
  }
  options.sampling.seed = 6;
  Session session(model_, {.context = 128});
  EXPECT_NE(session.generate(prompt(), options).tokens, expected);
}

TEST_F(Generate, StopsAtATextAndDoesNotHandItOut) {
  Session session(model_, {.context = 128});
  auto options = greedy(40);
  options.stop = {"beautiful"};
  const auto result = session.generate(prompt(), options);
  EXPECT_EQ(result.text, " three sons, who were so ");
  EXPECT_EQ(result.stop, StopReason::StopText);
}

TEST_F(Generate, TheCallbackCanStop) {
  Session session(model_, {.context = 128});
  std::size_t calls = 0;
  const auto result = session.generate(prompt(), greedy(40), [&](std::string_view) { return ++calls < 3; });
  EXPECT_EQ(result.stop, StopReason::Callback);
  EXPECT_EQ(calls, 3u);
}

TEST_F(Generate, NoAllocationPerTokenAfterTheFirst) {
  Session session(model_, {.context = 256, .threads = 2});
  GenerateOptions options;
  options.max_tokens = 200;
  options.ignore_end = true;
  options.sampling.repeat_penalty = 1.1f;
  options.stop = {"never to be seen"};
  std::size_t after_first = 0, at_last = 0, pieces = 0;
  const auto result = session.generate(prompt(), options, [&](std::string_view) {
    at_last = testing::allocations();
    if (pieces++ == 0) after_first = at_last;
    return true;
  });
  EXPECT_EQ(result.tokens.size(), 200u);
  EXPECT_GT(pieces, 150u);
  EXPECT_EQ(at_last - after_first, 0u);
}

TEST_F(Generate, AFullContextIsAnErrorUnlessItMayShift) {
  Session session(model_, {.context = 24});
  EXPECT_THROW(session.generate(prompt(), greedy(40)), Error);
  // The last token needs no room.
  session.reset();
  EXPECT_EQ(session.generate(prompt(), greedy(14)).tokens.size(), 14u);
  Session shifting(model_, {.context = 24, .context_shift = true});
  auto options = greedy(60);
  options.ignore_end = true;
  EXPECT_EQ(shifting.generate(prompt(), options).tokens.size(), 60u);
  EXPECT_LE(shifting.position(), 24u);
}

TEST_F(Generate, CancelFromAnotherThreadKeepsWhatThereIs) {
  Session session(model_, {.context = 1024, .threads = 2});
  auto options = greedy(1000);
  options.ignore_end = true;
  std::atomic<bool> started{false};
  std::thread canceller([&] {
    while (!started) std::this_thread::yield();
    session.cancel();
  });
  const auto result = session.generate(prompt(), options, [&](std::string_view) {
    started = true;
    return true;
  });
  canceller.join();
  EXPECT_EQ(result.stop, StopReason::Cancelled);
  EXPECT_GE(result.tokens.size(), 1u);
  EXPECT_LT(result.tokens.size(), 1000u);
}

}  // namespace
}  // namespace sterna
