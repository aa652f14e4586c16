// Generating with guessed tokens gives what generating without gives: text, stop, cache and hidden state.
#include <gtest/gtest.h>

#include <algorithm>
#include <span>

#include "sterna/error.hpp"
#include "sterna/session.hpp"
#include "support/allocations.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

/// What a generation leaves behind.
struct Outcome {
  GenerateResult result;
  std::vector<std::string> pieces;
  std::uint32_t position = 0;
  std::string error;
  std::vector<float> hidden;
  std::vector<float> next;  ///< logits after one token more
};

struct Counts {
  std::size_t drafted = 0;
  std::size_t accepted = 0;
};

class Draft : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { model_ = Model::load(testing::bundled_model()); }
  static void TearDownTestSuite() { model_.reset(); }

  static std::vector<TokenId> ids_of(std::string_view text) {
    std::vector<TokenId> ids{*model_->tokenizer()->bos()};
    const auto rest = model_->tokenizer()->encode(text);
    ids.insert(ids.end(), rest.begin(), rest.end());
    return ids;
  }
  /// A text that repeats itself, so that its end is known and what follows is likely the same again.
  static std::vector<TokenId> repeating() {
    return ids_of(
        "The king went into the wood and said to the old man: give me the golden bird. The king went into "
        "the "
        "wood and said to the old man: give me the golden bird. The king went into the wood");
  }
  /// The same with what the model makes of it, which soon is one sentence again and again: most guesses are
  /// right from the first token on. Without its beginning, which every evaluation would pay for.
  static std::vector<TokenId> looping() {
    auto ids = repeating();
    Session session(model_, {.context = 256, .threads = 1});
    const auto more = session.generate(ids, options_of(90)).tokens;
    ids.insert(ids.end(), more.begin(), more.end());
    ids.erase(ids.begin() + 1, ids.end() - 60);
    return ids;
  }
  static GenerateOptions options_of(std::uint32_t n, float temperature = 0) {
    GenerateOptions options;
    options.max_tokens = n;
    options.ignore_end = true;
    options.sampling.temperature = temperature;
    options.sampling.seed = 3;
    return options;
  }

  static Outcome outcome(const SessionOptions& how, std::span<const TokenId> prompt,
                         const GenerateOptions& options, std::size_t most_pieces = 10000,
                         bool cancel = false) {
    Outcome out;
    SessionOptions session_options = how;
    if (how.threads == 0) session_options.threads = 1;  // cheaper; two are asked for where they matter
    Session session(model_, session_options);
    const auto take = [&](std::string_view piece) {
      out.pieces.emplace_back(piece);
      if (out.pieces.size() < most_pieces) return true;
      if (cancel) session.cancel();
      return cancel;
    };
    try {
      out.result = session.generate(prompt, options, take);
    } catch (const Error& error) {
      out.error = error.what();
    }
    out.position = session.position();
    const auto hidden = session.last_hidden();
    out.hidden.assign(hidden.begin(), hidden.end());
    if (out.position < session.options().context) {
      const TokenId id = 100;
      const auto next = session.evaluate({&id, 1});
      out.next.assign(next.begin(), next.end());
    }
    return out;
  }

  static bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return std::ranges::equal(std::as_bytes(std::span(a)), std::as_bytes(std::span(b)));
  }

  /// Generates without and with guesses and compares everything.
  static Counts compare(const SessionOptions& how, std::span<const TokenId> prompt, GenerateOptions options,
                        std::uint32_t most = 8, std::size_t most_pieces = 10000, bool cancel = false) {
    const Outcome plain = outcome(how, prompt, options, most_pieces, cancel);
    options.draft_ngram = most;
    const Outcome drafted = outcome(how, prompt, options, most_pieces, cancel);
    EXPECT_EQ(drafted.result.tokens, plain.result.tokens);
    EXPECT_EQ(drafted.result.text, plain.result.text);
    EXPECT_EQ(drafted.result.stop, plain.result.stop);
    EXPECT_EQ(drafted.pieces, plain.pieces);
    EXPECT_EQ(drafted.position, plain.position);
    EXPECT_EQ(drafted.error, plain.error);
    EXPECT_TRUE(same_bits(drafted.next, plain.next));
    // After a cancelled pass there is no hidden state to speak of.
    EXPECT_TRUE(cancel || same_bits(drafted.hidden, plain.hidden));
    EXPECT_EQ(plain.result.drafted, 0u);
    EXPECT_LE(drafted.result.accepted, drafted.result.drafted);
    return {drafted.result.drafted, drafted.result.accepted};
  }

  static inline std::shared_ptr<const Model> model_;
};

TEST_F(Draft, GreedyTextIsTheSame) {
  Counts sum;
  for (const unsigned threads : {1u, 2u}) {
    for (const KvType kv : {KvType::F32, KvType::F16, KvType::I8}) {
      const auto counts =
          compare({.context = 256, .threads = threads, .kv = kv}, repeating(), options_of(60));
      EXPECT_GT(counts.accepted, 5u);
      sum.drafted += counts.drafted;
      sum.accepted += counts.accepted;
    }
  }
  EXPECT_GT(sum.drafted, sum.accepted) << "no guess was wrong: rejecting was not tested";
}

TEST_F(Draft, DrawnTextIsTheSame) {
  Counts sum;
  for (const float temperature : {0.4f, 0.9f}) {
    for (const unsigned threads : {1u, 2u}) {
      for (const std::uint32_t most : {1u, 8u}) {
        const auto counts =
            compare({.context = 256, .threads = threads}, repeating(), options_of(40, temperature), most);
        sum.drafted += counts.drafted;
        sum.accepted += counts.accepted;
      }
    }
  }
  EXPECT_GT(sum.accepted, 0u);
  EXPECT_GT(sum.drafted, sum.accepted);
}

TEST_F(Draft, PenaltiesAndBiasSeeEveryTokenBeforeTheNextIsDrawn) {
  Counts sum;
  for (const float temperature : {0.0f, 0.7f}) {
    auto options = options_of(60, temperature);
    options.sampling.repeat_penalty = 1.05f;
    options.sampling.frequency_penalty = 0.1f;
    options.sampling.presence_penalty = 0.1f;
    options.sampling.penalty_window = 24;
    options.sampling.logit_bias = {{300, 2.0f}};
    const auto counts = compare({.context = 256, .threads = 2}, repeating(), options);
    sum.drafted += counts.drafted;
    sum.accepted += counts.accepted;
  }
  EXPECT_GT(sum.accepted, 0u);
  EXPECT_GT(sum.drafted, sum.accepted);
}

TEST_F(Draft, EndsWhereItIsToldTo) {
  const auto prompt = looping();
  std::size_t accepted = 0;
  for (std::uint32_t n = 0; n <= 12; ++n) {
    SCOPED_TRACE(n);
    accepted += compare({.context = 256}, prompt, options_of(n)).accepted;
    // Exactly as long as the context, and one longer: the last token needs no room.
    const auto context = static_cast<std::uint32_t>(prompt.size()) + n;
    if (n > 0) accepted += compare({.context = context}, prompt, options_of(n)).accepted;
    if (n > 0) accepted += compare({.context = context}, prompt, options_of(n + 1)).accepted;
    accepted += compare({.context = 256}, prompt, options_of(40), 8, n + 1).accepted;
    accepted += compare({.context = 256}, prompt, options_of(40), 8, n + 1, /*cancel=*/true).accepted;
  }
  EXPECT_GT(accepted, 20u);
}

TEST_F(Draft, AFullContextIsTheSameError) {
  const auto prompt = looping();
  const auto context = static_cast<std::uint32_t>(prompt.size()) + 9;
  GenerateOptions options = options_of(30);
  options.draft_ngram = 8;
  EXPECT_NE(outcome({.context = context}, prompt, options).error, "");
  compare({.context = context}, prompt, options_of(30));
}

TEST_F(Draft, ContextsShiftAtTheSameTokens) {
  const auto prompt = looping();
  std::size_t accepted = 0;
  for (const std::uint32_t context : {2u, 3u, 20u, 31u, 64u}) {
    const auto part = std::span(prompt).first(std::min<std::size_t>(prompt.size(), context));
    for (const float temperature : {0.0f, 0.6f}) {
      accepted +=
          compare({.context = context, .context_shift = true}, part, options_of(90, temperature)).accepted;
    }
  }
  EXPECT_GT(accepted, 0u);
}

TEST_F(Draft, SmallBatchesHoldFewerGuesses) {
  const auto prompt = looping();
  std::size_t accepted = 0;
  for (const std::uint32_t batch : {1u, 2u, 5u}) {
    const auto counts = compare({.context = 256, .batch = batch}, prompt, options_of(30));
    EXPECT_EQ(counts.drafted == 0, batch == 1);
    accepted += counts.accepted;
  }
  EXPECT_GT(accepted, 0u);
}

TEST_F(Draft, StopTextsAreFoundInsideADraft) {
  const auto prompt = looping();
  const auto whole = outcome({.context = 256}, prompt, options_of(30)).result.text;
  std::size_t accepted = 0;
  for (std::size_t at = 1; at + 6 < whole.size(); at += 7) {
    auto options = options_of(30);
    options.stop = {"no such text", whole.substr(at, 6)};
    accepted += compare({.context = 256}, prompt, options).accepted;
  }
  EXPECT_GT(accepted, 0u);
}

TEST_F(Draft, EndTokensEndInsideADraft) {
  // A text whose every sentence is followed by an end token.
  const auto ends = model_->tokenizer()->end_tokens();
  ASSERT_FALSE(ends.empty());
  auto prompt = ids_of("The king went into the wood.");
  const auto sentence = prompt;
  for (int i = 0; i < 3; ++i) {
    prompt.push_back(ends.front());
    prompt.insert(prompt.end(), sentence.begin(), sentence.end() - (i == 2 ? 3 : 0));
  }
  std::size_t ended = 0;  // after a guess at least
  for (const float bias : {2.0f, 4.0f, 6.0f, 8.0f, 10.0f, 12.0f}) {
    auto options = options_of(40);
    options.sampling.logit_bias = {{ends.front(), bias}};
    options.ignore_end = false;
    const bool ends_itself = outcome({.context = 256}, prompt, options).result.stop == StopReason::EndToken;
    if (compare({.context = 256}, prompt, options).drafted > 0 && ends_itself) ++ended;
  }
  EXPECT_GT(ended, 0u);
}

TEST_F(Draft, AConversationGoesOnFromAnyPoint) {
  // The second prompt's own text is known from the first.
  Session plain(model_, {.context = 300}), drafted(model_, {.context = 300});
  auto options = options_of(20);
  auto guessing = options;
  guessing.draft_ngram = 8;
  const auto prompt = looping();
  EXPECT_EQ(drafted.generate(prompt, guessing).tokens, plain.generate(prompt, options).tokens);
  const auto more = model_->tokenizer()->encode(" The king went into the wood and said");
  const auto second = drafted.generate(more, guessing);
  EXPECT_EQ(second.tokens, plain.generate(more, options).tokens);
  EXPECT_GT(second.drafted, 0u);
}

TEST_F(Draft, NoAllocationPerTokenAfterTheFirst) {
  Session session(model_, {.context = 256, .threads = 2});
  auto options = options_of(120);
  options.draft_ngram = 8;
  std::size_t after_first = 0, at_last = 0, pieces = 0;
  const auto result = session.generate(looping(), options, [&](std::string_view) {
    at_last = testing::allocations();
    if (pieces++ == 0) after_first = at_last;
    return true;
  });
  EXPECT_EQ(result.tokens.size(), 120u);
  EXPECT_GT(result.accepted, 5u);
  EXPECT_EQ(at_last - after_first, 0u);
}

TEST_F(Draft, TooManyGuessesAreRefused) {
  Session session(model_, {.context = 64});
  auto options = options_of(4);
  options.draft_ngram = kMostDraft + 1;
  try {
    session.generate(ids_of("Once"), options);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::InvalidArgument);
    EXPECT_EQ(error.value("option"), "draft_ngram");
  }
  options.draft_ngram = kMostDraft;
  EXPECT_EQ(session.generate(ids_of("Once"), options).tokens.size(), 4u);
}

}  // namespace
}  // namespace sterna
