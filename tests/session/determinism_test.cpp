// Neither threads, nor batch, nor instruction set, nor a second session changes a bit of the result; and no
// token allocates.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "sterna/error.hpp"
#include "sterna/session.hpp"
#include "support/allocations.hpp"
#include "support/paths.hpp"
#include "support/variable.hpp"

namespace sterna {
namespace {

std::shared_ptr<const Model> small_model(const std::string& kernel = {}) {
  return Model::load(testing::fixture("llama3-rope-scaling"), {.kernel = kernel});
}

std::vector<TokenId> some_ids(std::size_t n) {
  std::vector<TokenId> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<TokenId>((i * 37 + 11) % 1000);
  return ids;
}

std::vector<float> logits_of(const std::shared_ptr<const Model>& model, const SessionOptions& options,
                             std::size_t tokens) {
  Session session(model, options);
  const auto ids = some_ids(tokens);
  std::vector<float> logits(tokens * model->config().vocab);
  session.evaluate_all(ids, logits);
  return logits;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(Determinism, ThreadsAndBatchChangeNoBit) {
  const auto model = small_model();
  for (const KvType kv : {KvType::F32, KvType::F16, KvType::I8}) {
    const auto expected = logits_of(model, {.context = 64, .batch = 64, .threads = 1, .kv = kv}, 50);
    for (const unsigned threads : {1u, 2u, 3u}) {
      for (const std::uint32_t batch : {1u, 7u, 64u}) {
        EXPECT_TRUE(same_bits(
            expected, logits_of(model, {.context = 64, .batch = batch, .threads = threads, .kv = kv}, 50)))
            << threads << " threads, batch " << batch;
      }
    }
  }
}

TEST(Determinism, NoBackendAndNoStrategyChangesABit) {
  const testing::Variable cache("XDG_CACHE_HOME", testing::scratch().c_str());
  const auto path = testing::fixture("llama3-rope-scaling");
  const auto expected = logits_of(Model::load(path, {.kernel = "generic"}), {.context = 64, .batch = 64}, 50);
  std::vector<std::string> names{"scalar"};
  if (backends().front().available) names.push_back("simd");
  for (const StrategyInfo& strategy : backend_strategies()) names.push_back(strategy.name);
  for (const std::string& name : names) {
    const auto model = Model::load(path, {.backend = name, .threads = 2});
    for (const std::uint32_t batch : {1u, 5u, 64u}) {  // every class of batches
      EXPECT_TRUE(same_bits(expected, logits_of(model, {.context = 64, .batch = batch, .threads = 2}, 50)))
          << name << ", batch " << batch;
    }
  }
}

TEST(Determinism, AForcedBackendRunsTheModel) {
  const auto model = Model::load(testing::fixture("llama3-rope-scaling"), {.backend = "scalar"});
  for (const BackendChoice& choice : model->backends()) EXPECT_EQ(choice.backend, "scalar");
  for (const std::string& kernel : model->kernels()) EXPECT_TRUE(kernel.ends_with("generic")) << kernel;
  EXPECT_THROW(Model::load(testing::fixture("llama3-rope-scaling"), {.backend = "vax"}), Error);
}

TEST(Determinism, SplittingALongContextChangesNoBit) {
  const auto model = small_model();
  constexpr std::size_t kTokens = 600;  // three chunks of the KV cache
  for (const KvType kv : {KvType::F32, KvType::F16, KvType::I8}) {
    const auto expected = logits_of(model, {.context = 700, .batch = 600, .threads = 1, .kv = kv}, kTokens);
    EXPECT_TRUE(same_bits(expected,
                          logits_of(model, {.context = 600, .batch = 256, .threads = 3, .kv = kv}, kTokens)));
    EXPECT_TRUE(
        same_bits(expected, logits_of(model, {.context = 600, .batch = 5, .threads = 4, .kv = kv}, kTokens)));
    EXPECT_TRUE(
        same_bits(expected, logits_of(model, {.context = 601, .batch = 1, .threads = 2, .kv = kv}, kTokens)));
  }
}

TEST(Determinism, InstructionSetsChangeNoBit) {
  const auto expected = logits_of(small_model("generic"), {.context = 64}, 50);
  EXPECT_TRUE(same_bits(expected, logits_of(small_model(), {.context = 64}, 50)));
}

TEST(Determinism, SessionsAreIndependent) {
  const auto model = small_model();
  const auto expected = logits_of(model, {.context = 64, .threads = 1}, 40);
  std::vector<float> found[3];
  std::vector<std::thread> threads;
  for (auto& result : found)
    threads.emplace_back([&] { result = logits_of(model, {.context = 64, .threads = 2}, 40); });
  for (auto& thread : threads) thread.join();
  for (const auto& result : found) EXPECT_TRUE(same_bits(expected, result));
}

TEST(Session, RewindTakesTokensBack) {
  const auto model = small_model();
  const auto ids = some_ids(20);
  Session session(model, {.context = 32});
  const auto first = session.evaluate(ids);
  const std::vector<float> expected(first.begin(), first.end());
  session.rewind(12);
  EXPECT_EQ(session.position(), 12u);
  const auto again = session.evaluate(std::span(ids).subspan(12));
  EXPECT_TRUE(same_bits(expected, {again.begin(), again.end()}));
  EXPECT_THROW(session.rewind(21), Error);
}

TEST(Session, NoAllocationPerToken) {
  const auto model = small_model();
  Session session(model, {.context = 64, .threads = 2});
  const auto ids = some_ids(10);
  session.evaluate(ids);
  const std::size_t before = testing::allocations();
  for (TokenId id = 0; id < 40; ++id) session.evaluate({&id, 1});
  EXPECT_EQ(testing::allocations() - before, 0u);
}

TEST(Session, FullContextIsAnError) {
  const auto model = small_model();
  Session session(model, {.context = 16});
  session.evaluate(some_ids(16));
  const TokenId one = 1;
  try {
    session.evaluate({&one, 1});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Limit);
    EXPECT_EQ(error.value("context"), "16");
  }
  EXPECT_EQ(session.position(), 16u);
}

TEST(Session, ContextShiftKeepsTheNewerHalf) {
  const auto model = small_model();
  const auto ids = some_ids(17);
  Session shifting(model, {.context = 16, .context_shift = true});
  shifting.evaluate(std::span(ids).first(16));
  const auto shifted = shifting.evaluate(std::span(ids).subspan(16));
  EXPECT_EQ(shifting.position(), 9u);
  const std::vector<float> found(shifted.begin(), shifted.end());
  // The same as a session that saw the kept tokens alone.
  Session fresh(model, {.context = 16});
  const auto expected = fresh.evaluate(std::span(ids).subspan(8));
  EXPECT_TRUE(same_bits(found, {expected.begin(), expected.end()}));
}

TEST(Session, RefusesWhatIsNoToken) {
  Session session(small_model(), {.context = 16});
  const TokenId bad[] = {-1, 1024};
  for (const TokenId& id : bad) EXPECT_THROW(session.evaluate({&id, 1}), Error);
  EXPECT_THROW(session.evaluate({}), Error);
  EXPECT_THROW(Session(small_model(), {.context = 1}), Error);
}

TEST(Session, CancelEndsAnEvaluation) {
  const auto model = small_model();
  Session session(model, {.context = 512, .batch = 8, .threads = 2});
  const auto ids = some_ids(500);
  std::atomic<bool> done{false};
  std::thread canceller([&] {
    while (!done) session.cancel();
  });
  try {
    session.evaluate(ids);
    ADD_FAILURE() << "not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Cancelled);
  }
  done = true;
  canceller.join();
  EXPECT_LT(session.position(), 500u);
  // A cancelled session goes on from where it is.
  session.reset();
  EXPECT_EQ(session.evaluate(std::span(ids).first(4)).size(), model->config().vocab);
}

}  // namespace
}  // namespace sterna
