// What a candidate costs, measured from its block on: the same bits as by running the whole model.
#include "session/quantize/sensitivity.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "model/forward.hpp"
#include "model/model_impl.hpp"
#include "sterna/error.hpp"
#include "support/float_checkpoint.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

constexpr std::size_t kWindow = 300;  // more than is evaluated at a time
constexpr testing::SmallShape kShape{.vocab = 96, .hidden = 64, .ffn = 96, .layers = 4, .tied = false};

std::filesystem::path checkpoint() {
  const auto folder = testing::scratch() / "checkpoint";
  testing::small_checkpoint(kShape).write(folder);
  return folder;
}

std::vector<std::vector<TokenId>> windows() {
  std::vector<std::vector<TokenId>> windows(2);
  std::uint32_t x = 1;
  for (auto& ids : windows) {
    for (std::size_t t = 0; t < kWindow; ++t) {
      x = x * 1664525u + 1013904223u;
      ids.push_back(static_cast<TokenId>((x >> 16) % kShape.vocab));
    }
  }
  return windows;
}

/// Embedding and head, then every linear layer.
std::vector<OpenMatrix> every_matrix(const Checkpoint& checkpoint) {
  const std::vector<Precision> precisions{Precision::Int4, Precision::Int8};
  std::vector<OpenMatrix> matrices{{embedding_source(checkpoint), 0, precisions},
                                   {checkpoint.head, checkpoint.layers.size(), precisions}};
  for (std::size_t n = 0; n < checkpoint.layers.size(); ++n) {
    for_each_linear(checkpoint.layers[n], [&](const LinearSource& source) {
      matrices.push_back({source, n, precisions});
    });
  }
  return matrices;
}

TEST(Sensitivities, AreThoseOfTheWholeModelOnOneThreadBitForBit) {
  const auto folder = checkpoint();
  ThreadPool one(1), two(2);
  TrialModel trial(folder, {.threads = 1});
  const auto matrices = every_matrix(trial.model()->impl().checkpoint);
  ASSERT_EQ(matrices.size(), 2u + 4 * 7);
  MatrixStore store({}, one);
  const LogitJudge on_one(*trial.model(), windows(), one), on_two(*trial.model(), windows(), two);
  EXPECT_EQ(on_one.reference_nll(), on_two.reference_nll());
  const auto measured = measure_sensitivities(matrices, store, trial, on_two, {});
  for (std::size_t i = 0; i < matrices.size(); ++i) {
    const LinearSource& source = matrices[i].source;
    ASSERT_EQ(measured[i].sensitivities.size(), matrices[i].precisions.size());
    for (const Sensitivity& row : measured[i].sensitivities) {
      const StoredMatrix& stored = store.store(source, row.precision);
      trial.replace(source.name, matrix_of(stored.dtype, source.rows, source.cols, stored.bytes));
      const Judgement whole = on_one.judge(*trial.model());
      trial.restore(source.name);
      EXPECT_EQ(row.nll, whole.nll - on_one.reference_nll()) << source.name;
      EXPECT_EQ(row.kl, whole.kl) << source.name;
      EXPECT_GT(row.kl, 0) << source.name;
    }
  }
  EXPECT_EQ(on_one.judge(*trial.model()).nll, on_one.reference_nll());
  EXPECT_EQ(on_one.judge(*trial.model()).kl, 0);
}

TEST(ResidualStream, IsWhatTheModelMakesOfTheTokensUpToItsBlock) {
  ThreadPool pool(2);
  const auto model = Model::load(checkpoint(), {.threads = 1});
  const auto texts = windows();
  Forward forward(model->config(), model->impl().weights, model->impl().dispatch, pool,
                  {.context = kWindow, .batch = kWindow, .kv = KvType::F32});
  const std::atomic<bool> never{false};
  ResidualStream stream(*model, texts, 64, pool);
  for (const std::size_t block : {0, 3, 4, 1}) {  // the last one back again
    stream.move_to(block);
    ASSERT_EQ(stream.block(), block);
    for (std::size_t w = 0; w < texts.size(); ++w) {
      forward.run(texts[w], 0, never);
      const std::vector<float> whole(forward.hidden(kWindow - 1).begin(), forward.hidden(kWindow - 1).end());
      forward.run_from(block, stream.of(w, 0, kWindow), 0, never);
      const auto resumed = forward.hidden(kWindow - 1);
      EXPECT_TRUE(std::ranges::equal(whole, resumed)) << block;
    }
  }
}

TEST(LogitJudge, RefusesWhatItCannotHoldOrLookUp) {
  ThreadPool pool(1);
  const auto model = Model::load(checkpoint(), {.threads = 1});
  const auto category_of = [&](std::vector<std::vector<TokenId>> texts) {
    try {
      const LogitJudge judge(*model, std::move(texts), pool);
    } catch (const Error& error) {
      return error.category();
    }
    return ErrorCategory::Internal;
  };
  EXPECT_EQ(category_of({{1, 2, static_cast<TokenId>(kShape.vocab)}}), ErrorCategory::Mismatch);
  EXPECT_EQ(category_of({{1, -1, 2}}), ErrorCategory::Mismatch);
  EXPECT_EQ(category_of({std::vector<TokenId>(3'000'000)}), ErrorCategory::Limit);
}

}  // namespace
}  // namespace sterna
