// What a session gives back between two calls, and that nothing else changes.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "platform/process_memory.hpp"
#include "sterna/cleanup.hpp"
#include "sterna/session.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

class SessionPages : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { model_ = Model::load(testing::bundled_model()); }
  static void TearDownTestSuite() { model_.reset(); }

  static std::vector<TokenId> prompt(std::string_view text = "Once upon a time there lived a king who had") {
    std::vector<TokenId> ids{*model_->tokenizer()->bos()};
    const auto rest = model_->tokenizer()->encode(text);
    ids.insert(ids.end(), rest.begin(), rest.end());
    return ids;
  }
  static std::vector<TokenId> generate(Session& session, std::uint32_t draft = 0) {
    GenerateOptions options;
    options.draft_ngram = draft;
    options.max_tokens = 60;
    options.ignore_end = true;
    options.sampling.seed = 7;
    session.reset();
    return session.generate(prompt(), options).tokens;
  }

  /// What sessions gave back to a cleanup.
  static std::uint64_t reclaimed() {
    double time = 0;
    PressureMonitor monitor({.readings = [] { return MemoryReadings{}; }, .clock = [&] { return time; }});
    MemoryCleaner cleaner(monitor, {.strategies = {"periodic"}});
    time = 60;
    std::uint64_t bytes = 0;
    for (const StrategyReport& ran : cleaner.run_once().strategies) {
      for (const auto& call : ran.calls) bytes += call.name == "session" ? call.bytes : 0;
    }
    return bytes;
  }

  static inline std::shared_ptr<const Model> model_;
};

TEST_F(SessionPages, OfTheUnusedCacheComeAgain) {
  for (const KvType kv : {KvType::F32, KvType::F16, KvType::I8}) {
    Session session(model_, {.context = 4096, .threads = 1, .kv = kv});
    const std::uint64_t position_bytes = session.cache_bytes() / 4096;
    const std::vector<TokenId> text(300, prompt().back());
    const auto half = std::span(text).first(150);
    const auto logits = session.evaluate(text);
    const std::vector<float> expected(logits.begin(), logits.end());
    const std::vector<float> hidden(session.last_hidden().begin(), session.last_hidden().end());

    reclaimed();  // in the middle of a text: working memory only
    EXPECT_TRUE(std::ranges::equal(session.last_hidden(), hidden));
    session.rewind(150);
    EXPECT_GE(reclaimed(), 80 * position_bytes);  // less a block and a page
    const auto again = session.evaluate(std::span(text).subspan(150));
    EXPECT_TRUE(std::ranges::equal(again, expected));

    session.reset();
    const std::uint64_t before = resident_bytes();
    const std::uint64_t bytes = reclaimed();
    EXPECT_GE(bytes, 290 * position_bytes);
    EXPECT_LT(resident_bytes() + bytes / 10 * 8, before);
    session.evaluate(half);
    reclaimed();
    EXPECT_TRUE(std::ranges::equal(session.evaluate(std::span(text).subspan(150)), expected));
  }
}

/// Sessions at work next to a cleanup that never rests: the same logits.
TEST_F(SessionPages, AreNotTakenFromASessionAtWork) {
  Session session(model_, {.context = 128, .threads = 2});
  const std::vector<TokenId> expected = generate(session);
  std::atomic<bool> done{false};
  std::thread cleaning([&] {
    while (!done) reclaimed();
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(generate(session), expected);
    EXPECT_EQ(generate(session, 5), expected);  // guesses lie in the cache behind the text
  }
  for (int i = 0; i < 10; ++i) {
    Session other(model_, {.context = 64, .threads = 1});
    other.evaluate(prompt());
  }
  done = true;
  cleaning.join();
}

}  // namespace
}  // namespace sterna
