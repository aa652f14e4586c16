// The gradients of a block against central differences, in double.
#include "model/recovery/block.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "sterna/random.hpp"

namespace sterna {
namespace {

constexpr std::size_t kWindow = 5;
constexpr std::int64_t kTokens = 2 * kWindow;

ModelConfig small_config(Activation activation) {
  ModelConfig config;
  config.hidden = 12;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 6;
  config.ffn = 10;
  config.activation = activation;
  config.rope.dimensions = 6;
  config.rope.theta = 100;
  return config;
}

std::vector<double> numbers(Random& random, std::int64_t n, double mean) {
  return random.normal({n}, mean, 0.5, DType::F64).to_vector<double>();
}

BlockWeights<double> some_weights(const ModelConfig& config, bool sub_norms, bool biases, Random& random) {
  const std::int64_t query = config.heads * config.head_dim, kv = config.kv_heads * config.head_dim;
  const std::int64_t hidden = config.hidden, ffn = config.ffn;
  BlockWeights<double> weights;
  weights.attention_norm = numbers(random, hidden, 1);
  weights.ffn_norm = numbers(random, hidden, 1);
  if (sub_norms) {
    weights.attention_sub_norm = numbers(random, query, 1);
    weights.ffn_sub_norm = numbers(random, ffn, 1);
  }
  const Shape shapes[] = {{query, hidden}, {kv, hidden},  {kv, hidden}, {hidden, query},
                          {ffn, hidden},   {ffn, hidden}, {hidden, ffn}};
  for (std::size_t i = 0; i < kBlockLinears; ++i) {
    weights.linears[i] = random.normal(shapes[i], 0, 0.4, DType::F64);
    if (biases) weights.biases[i] = numbers(random, shapes[i][0], 0);
  }
  return weights;
}

struct Case {
  Activation activation;
  bool sub_norms;
  bool biases;
};
class BlockGradients : public ::testing::TestWithParam<Case> {};

TEST_P(BlockGradients, AreTheCentralDifferences) {
  const ModelConfig config = small_config(GetParam().activation);
  Random random(3);
  BlockWeights<double> weights = some_weights(config, GetParam().sub_norms, GetParam().biases, random);
  const Tensor x = random.normal({kTokens, config.hidden}, 0, 1, DType::F64);
  const Tensor dy = random.normal({kTokens, config.hidden}, 0, 1, DType::F64);
  Block<double> block(config, kWindow);
  // L = Σ dy·y
  const auto loss = [&] {
    const Tensor y = block.forward(weights, x);
    double sum = 0;
    for (std::int64_t i = 0; i < y.size(); ++i) sum += y.data<double>()[i] * dy.data<double>()[i];
    return sum;
  };
  loss();
  BlockWeights<double> gradients = block.backward(weights, dy);
  const auto compare = [&](double& weight, double gradient, const char* what, std::size_t at) {
    // The error is of order h²·L''' and ε·L/h: about 1e-9 each.
    constexpr double kStep = 1e-5;
    const double before = weight;
    weight = before + kStep;
    const double above = loss();
    weight = before - kStep;
    const double below = loss();
    weight = before;
    EXPECT_NEAR(gradient, (above - below) / (2 * kStep), 2e-7 * (1 + std::abs(gradient)))
        << what << ' ' << at;
  };
  const auto norms = weights.norms();
  const auto norm_gradients = gradients.norms();
  for (std::size_t n = 0; n < norms.size(); ++n) {
    ASSERT_EQ(norm_gradients[n]->size(), norms[n]->size());
    for (std::size_t i = 0; i < norms[n]->size(); ++i)
      compare((*norms[n])[i], (*norm_gradients[n])[i], "norm", i);
  }
  for (std::size_t n = 0; n < kBlockLinears; ++n) {
    ASSERT_EQ(gradients.linears[n].shape(), weights.linears[n].shape());
    double* weight = weights.linears[n].mutable_data<double>();
    for (std::int64_t i = 0; i < weights.linears[n].size(); i += 7)
      compare(weight[i], gradients.linears[n].data<double>()[i], "linear", n * 1000 + i);
  }
}

INSTANTIATE_TEST_SUITE_P(Activations, BlockGradients,
                         ::testing::Values(Case{Activation::Silu, false, false},
                                           Case{Activation::Silu, true, true},
                                           Case{Activation::Relu2, true, false},
                                           Case{Activation::Gelu, false, true}));

TEST(Block, WindowsAreApart) {
  const ModelConfig config = small_config(Activation::Silu);
  Random random(5);
  const BlockWeights<double> weights = some_weights(config, false, false, random);
  const Tensor x = random.normal({kTokens, config.hidden}, 0, 1, DType::F64);
  Block<double> block(config, kWindow);
  const auto both = block.forward(weights, x).to_vector<double>();
  const auto second = block.forward(weights, x.slice(0, {kWindow, kTokens})).to_vector<double>();
  for (std::size_t i = 0; i < second.size(); ++i) EXPECT_NEAR(second[i], both[second.size() + i], 1e-12);
  // A token does not see those after it.
  const Tensor changed = x.clone();
  changed.mutable_data<double>()[(kWindow - 1) * config.hidden] += 1;
  const auto other = block.forward(weights, changed).to_vector<double>();
  for (std::size_t i = 0; i < (kWindow - 1) * config.hidden; ++i) EXPECT_NEAR(other[i], both[i], 1e-12);
}

}  // namespace
}  // namespace sterna
