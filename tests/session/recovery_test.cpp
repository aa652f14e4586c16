// Recovery on whole models: the blocks are the engine's, and what is trained is better where it is used.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/half.hpp"
#include "model/model_impl.hpp"
#include "model/recovery/recover.hpp"
#include "platform/mapped_file.hpp"
#include "session/pieces.hpp"
#include "sterna/error.hpp"
#include "sterna/random.hpp"
#include "sterna/session.hpp"
#include "support/float_checkpoint.hpp"
#include "support/paths.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

using testing::FloatCheckpoint;
using testing::kLinears;
using testing::layer_name;
using testing::small_checkpoint;

/// Ternary weight networks (Li & Liu 2016): a weight is kept above 0.7 of its group's mean magnitude, the
/// scale is that of least squares.
GridMatrix ternary(const Tensor& weight, std::uint32_t group) {
  GridMatrix linear{
      static_cast<std::uint64_t>(weight.size(0)), static_cast<std::uint64_t>(weight.size(1)), group, {}, {}};
  const float* at = weight.data<float>();
  for (std::uint64_t g = 0; g < linear.rows * linear.cols / group; ++g, at += group) {
    double sum = 0, kept = 0, count = 0;
    for (std::uint64_t i = 0; i < group; ++i) sum += std::abs(at[i]);
    for (std::uint64_t i = 0; i < group; ++i) {
      const int code = std::abs(at[i]) > 0.7 * sum / static_cast<double>(group) ? (at[i] > 0 ? 1 : -1) : 0;
      linear.codes.push_back(static_cast<std::int8_t>(code));
      kept += double{at[i]} * code;
      count += code != 0;
    }
    linear.scales.push_back(static_cast<float>(kept / std::max(count, 1.0)));
  }
  return linear;
}

std::vector<QuantizedBlock> ternary_blocks(const Model& model, std::uint32_t group) {
  std::vector<QuantizedBlock> blocks;
  for (const Layer& layer : model.impl().weights.layers) {
    const BlockWeights<float> weights = float_block(layer);
    blocks.emplace_back();
    for (std::size_t i = 0; i < kBlockLinears; ++i) blocks.back()[i] = ternary(weights.linears[i], group);
  }
  return blocks;
}

Tensor dequantized(const GridMatrix& linear, const std::vector<float>& scales) {
  const Tensor weight = Tensor::empty(
      {static_cast<std::int64_t>(linear.rows), static_cast<std::int64_t>(linear.cols)}, DType::F32);
  for (std::size_t i = 0; i < linear.codes.size(); ++i)
    weight.mutable_data<float>()[i] = scales[i / linear.group] * static_cast<float>(linear.codes[i]);
  return weight;
}

/// The checkpoint with these weights and norms. Hugging Face stores rows in the model's order.
void put(FloatCheckpoint& checkpoint, const std::vector<QuantizedBlock>& blocks,
         const std::vector<RecoveredBlock>* recovered) {
  for (std::size_t n = 0; n < blocks.size(); ++n) {
    for (std::size_t i = 0; i < kBlockLinears; ++i) {
      checkpoint.tensors[layer_name(n, kLinears[i])] =
          dequantized(blocks[n][i], recovered ? (*recovered)[n].scales[i] : blocks[n][i].scales);
    }
    if (!recovered) continue;
    checkpoint.tensors[layer_name(n, "input_layernorm")] =
        Tensor::from(std::span<const float>((*recovered)[n].attention_norm));
    checkpoint.tensors[layer_name(n, "post_attention_layernorm")] =
        Tensor::from(std::span<const float>((*recovered)[n].ffn_norm));
  }
}

std::vector<std::vector<TokenId>> some_windows(std::size_t count, std::size_t length, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::vector<TokenId>> windows;
  for (std::size_t i = 0; i < count; ++i) {
    const auto ids = random.integers({static_cast<std::int64_t>(length)}, 0, 64).to_vector<std::int64_t>();
    windows.emplace_back(ids.begin(), ids.end());
  }
  return windows;
}

TEST(Recovery, ItsBlocksAreTheEngines) {
  const auto folder = testing::scratch();
  small_checkpoint().write(folder);
  const auto model = Model::load(folder);
  const auto window = some_windows(1, 20, 1).front();
  Session session(model, {.context = 32});
  session.evaluate(window);
  const Weights& weights = model->impl().weights;
  Tensor x = Tensor::empty({20, 32}, DType::F32);
  for (std::size_t t = 0; t < 20; ++t) {
    dequantize_row(weights.embedding.dtype,
                   weights.embedding.data + static_cast<std::size_t>(window[t]) * weights.embedding.stride,
                   32, x.mutable_data<float>() + t * 32);
  }
  Block<float> block(model->config(), 20);
  for (const Layer& layer : weights.layers) x = block.forward(float_block(layer), x);
  const float* last = x.data<float>() + 19 * 32;
  double square = model->config().norm_eps;
  for (std::size_t i = 0; i < 32; ++i) square += double{last[i]} * last[i] / 32;
  for (std::size_t i = 0; i < 32; ++i)  // float32, sums in another order
    EXPECT_NEAR(last[i] / std::sqrt(square), session.last_hidden()[i], 2e-5) << i;
}

TEST(Recovery, LessensTheLossOfEveryBlockAndOfTheModel) {
  const auto folder = testing::scratch();
  const FloatCheckpoint checkpoint = small_checkpoint();
  checkpoint.write(folder / "float");
  const auto model = Model::load(folder / "float");
  const auto blocks = ternary_blocks(*model, 16);
  const auto windows = some_windows(8, 32, 2);
  std::uint64_t steps = 0;
  RecoveryOptions options{.steps = 40, .learning_rate = 1e-2, .batch = 3};
  options.progress = [&](unsigned long long done, unsigned long long total, std::string_view) {
    EXPECT_EQ(done, ++steps);
    EXPECT_EQ(total, 80u);
  };
  const auto recovered = recover(*model, blocks, windows, options);
  EXPECT_EQ(steps, 80u);
  ASSERT_EQ(recovered.size(), 2u);
  for (const RecoveredBlock& block : recovered) {
    EXPECT_LT(block.loss_after, 0.95 * block.loss_before);
    EXPECT_GT(block.loss_after, 0);
    for (const auto& scales : block.scales) {
      for (const float scale : scales) EXPECT_EQ(scale, f16_to_f32(f32_to_f16(scale)));
    }
  }
  // In the engine, on text that was not seen.
  const auto distance = [&](const std::vector<RecoveredBlock>* with, const char* name) {
    FloatCheckpoint changed = checkpoint;
    put(changed, blocks, with);
    changed.write(folder / name);
    Session teacher(model, {.context = 32});
    Session student(Model::load(folder / name), {.context = 32});
    double sum = 0;
    for (const auto& window : some_windows(8, 32, 3)) {
      teacher.reset();
      student.reset();
      teacher.evaluate(window);
      student.evaluate(window);
      for (std::size_t i = 0; i < 32; ++i)
        sum += std::pow(double{teacher.last_hidden()[i]} - student.last_hidden()[i], 2);
    }
    return sum;
  };
  EXPECT_LT(distance(&recovered, "after"), distance(nullptr, "before"));
}

TEST(Recovery, KeepsWhatCannotBeBettered) {
  const auto folder = testing::scratch();
  FloatCheckpoint checkpoint = small_checkpoint();
  checkpoint.write(folder / "float");
  auto blocks = ternary_blocks(*Model::load(folder / "float"), 16);
  for (auto& block : blocks) {
    for (auto& linear : block) std::ranges::fill(linear.scales, 0.125f);
  }
  put(checkpoint, blocks, nullptr);  // a model that these codes and scales are exactly
  checkpoint.write(folder / "ternary");
  const auto model = Model::load(folder / "ternary");
  const auto recovered = recover(*model, blocks, some_windows(2, 16, 1), {.steps = 3});
  for (std::size_t n = 0; n < blocks.size(); ++n) {
    EXPECT_EQ(recovered[n].loss_before, 0);
    EXPECT_EQ(recovered[n].loss_after, 0);
    EXPECT_EQ(recovered[n].attention_norm, model->impl().weights.layers[n].attention_norm);
    for (std::size_t i = 0; i < kBlockLinears; ++i) EXPECT_EQ(recovered[n].scales[i], blocks[n][i].scales);
  }
}

TEST(Recovery, RefusesWhatDoesNotFit) {
  const auto folder = testing::scratch();
  small_checkpoint().write(folder);
  const auto model = Model::load(folder);
  const auto blocks = ternary_blocks(*model, 16);
  const auto windows = some_windows(2, 16, 1);
  const auto ternary_model = Model::load(testing::fixture("llama3-rope-scaling"));
  EXPECT_THROW(recover(*ternary_model, blocks, windows, {}), Error);
  EXPECT_THROW(recover(*model, std::span(blocks).first(1), windows, {}), Error);
  EXPECT_THROW(recover(*model, blocks, {}, {}), Error);
  EXPECT_THROW(recover(*model, blocks, windows, {.learning_rate = 0}), Error);
  EXPECT_THROW(recover(*model, blocks, windows, {.batch = 0}), Error);
  auto bad_windows = windows;
  bad_windows[1].push_back(1);
  EXPECT_THROW(recover(*model, blocks, bad_windows, {}), Error);
  bad_windows = windows;
  bad_windows[1][3] = 64;
  EXPECT_THROW(recover(*model, blocks, bad_windows, {}), Error);
  auto bad_blocks = blocks;
  bad_blocks[1][4].scales.pop_back();
  EXPECT_THROW(recover(*model, bad_blocks, windows, {}), Error);
  bad_blocks = blocks;
  bad_blocks[0][2].group = 7;
  EXPECT_THROW(recover(*model, bad_blocks, windows, {}), Error);
}

}  // namespace
}  // namespace sterna
