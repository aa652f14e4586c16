// Calibrating a few blocks at a time: the statistics and the rounded matrices of calibrating all at once.
#include "session/calibration/block_calibration.hpp"

#include <gtest/gtest.h>

#include "model/model_impl.hpp"
#include "session/quantize/matrix_store.hpp"
#include "sterna/error.hpp"
#include "support/paths.hpp"
#include "support/small_model.hpp"

namespace sterna {
namespace {

const CalibrationOptions kOptions{.window = 200, .gram = true, .threads = 2, .batch = 64};

class BlockCalibrations : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::small_model_folder(folder_, {.hidden = 64, .ffn = 96, .layers = 5});
    model_ = Model::load(folder_, {.threads = 1});
    whole_ = calibrate(model_, text_, kOptions);
  }

  /// Every linear layer of every block.
  std::vector<LinearSource> linears() const {
    std::vector<LinearSource> all;
    for (const LayerSource& layer : model_->impl().checkpoint.layers)
      for_each_linear(layer, [&](const LinearSource& source) { all.push_back(source); });
    return all;
  }

  static void expect_same(const InputStatistics* found, const InputStatistics* expected) {
    ASSERT_TRUE(found && expected);
    EXPECT_EQ(found->name, expected->name);
    EXPECT_EQ(found->tokens, expected->tokens);
    EXPECT_EQ(found->least, expected->least);
    EXPECT_EQ(found->most, expected->most);
    EXPECT_EQ(found->ema_most, expected->ema_most);
    EXPECT_EQ(found->variance, expected->variance);
    EXPECT_EQ(found->kurtosis, expected->kurtosis);
    EXPECT_EQ(found->magnitude_counts, expected->magnitude_counts);
    EXPECT_EQ(found->second_moments, expected->second_moments);
    EXPECT_FALSE(found->gram.empty());
    EXPECT_EQ(found->gram, expected->gram);
  }

  std::filesystem::path folder_ = testing::scratch() / "float";
  std::string text_ = testing::numbered_words(1500);
  std::shared_ptr<const Model> model_;
  Calibration whole_;
  ThreadPool pool_{2};
};

TEST_F(BlockCalibrations, AreTheSameBitsInAnyOrder) {
  const auto all = linears();
  for (const std::uint64_t blocks : {1, 2, 5}) {
    BlockCalibration calibration(model_, text_, kOptions, blocks * block_gram_bytes(*model_), pool_);
    EXPECT_EQ(calibration.tokens(), whole_.tokens);
    for (const LinearSource& source : all) expect_same(calibration.of(source.name), whole_.of(source.name));
    for (std::size_t i = all.size(); i-- > 0;)  // back again
      expect_same(calibration.of(all[i].name), whole_.of(all[i].name));
    for (const char* other : {"token_embd", "output", "blk.5.attn_q", "blk.x.attn_q", "blk.0.attn_norm"})
      EXPECT_EQ(calibration.of(other), nullptr) << other;
  }
}

TEST_F(BlockCalibrations, RoundToTheSameCodes) {
  BlockCalibration calibration(model_, text_, kOptions, 2 * block_gram_bytes(*model_), pool_);
  MatrixStore in_groups({.rounding = WeightRounding::Compensated,
                         .input_of = [&](std::string_view linear) { return calibration.of(linear); }},
                        pool_);
  MatrixStore at_once({.rounding = WeightRounding::Compensated,
                       .input_of = [&](std::string_view linear) { return whole_.of(linear); }},
                      pool_);
  MatrixStore plain({}, pool_);
  bool compensated = false;
  for (const LinearSource& source : linears()) {
    const StoredMatrix& found = in_groups.store(source, Precision::Int4);
    const StoredMatrix& expected = at_once.store(source, Precision::Int4);
    EXPECT_EQ(found.bytes, expected.bytes) << source.name;
    EXPECT_EQ(found.errors.outputs.error, expected.errors.outputs.error) << source.name;
    compensated = compensated || found.bytes != plain.store(source, Precision::Int4).bytes;
  }
  EXPECT_TRUE(compensated);
}

TEST_F(BlockCalibrations, RefuseABlockBeyondTheLimit) {
  try {
    BlockCalibration calibration(model_, text_, kOptions, block_gram_bytes(*model_) - 1, pool_);
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Limit);
  }
}

TEST_F(BlockCalibrations, GoOnAfterAnInterruption) {
  CalibrationOptions options = kOptions;
  bool stop = true;
  options.progress = [&](std::uint64_t done, std::uint64_t, std::string_view) {
    if (stop && done == 2) throw Error(ErrorCategory::Cancelled, "stopped");
  };
  BlockCalibration calibration(model_, text_, options, 2 * block_gram_bytes(*model_), pool_);
  EXPECT_THROW(calibration.of("blk.2.attn_q"), Error);
  stop = false;
  expect_same(calibration.of("blk.2.attn_q"), whole_.of("blk.2.attn_q"));
}

}  // namespace
}  // namespace sterna
