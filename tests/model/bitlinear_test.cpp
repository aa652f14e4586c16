// A BitLinear layer gives what a model's forward pass gives for the same weights, bit for bit.
#include "sterna/bitlinear.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/checked.hpp"
#include "memory/aligned_buffer.hpp"
#include "model/model_impl.hpp"
#include "packing/codec_stream.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

/// W · x as Forward::product_rows has it, with the model's matrix where and as it lies.
std::vector<float> product(const Dispatch& dispatch, const Matrix& matrix, const std::vector<float>& x,
                           std::size_t tokens) {
  const Kernels& kernels = dispatch.of(tokens);
  const std::size_t padded = round_up<std::size_t>(matrix.cols, kActivationPadding);
  AlignedBuffer codes(tokens * padded);
  auto* q = reinterpret_cast<std::int8_t*>(codes.data());
  std::vector<float> scales, y(tokens * matrix.rows);
  std::vector<std::int32_t> code_sums, sums(tokens * matrix.rows);
  for (std::size_t t = 0; t < tokens; ++t) {
    const auto result =
        kernels.floats.quantize(x.data() + t * matrix.cols, matrix.cols, padded, q + t * padded);
    scales.push_back(result.scale);
    code_sums.push_back(result.sum);
  }
  ternary_kernel(kernels, matrix.dtype)
      ->run({.weights = reinterpret_cast<const std::uint8_t*>(matrix.data),
             .weight_stride = matrix.stride,
             .cols = matrix.cols,
             .x = q,
             .x_stride = padded,
             .x_sums = code_sums.data(),
             .tokens = tokens,
             .row_begin = 0,
             .row_end = matrix.rows,
             .out = sums.data(),
             .out_stride = matrix.rows});
  kernels.floats.scale_rows({.sums = sums.data(),
                             .sums_stride = matrix.rows,
                             .activation_scales = scales.data(),
                             .weight_scale = matrix.scale,
                             .row_scales = matrix.row_scales.empty() ? nullptr : matrix.row_scales.data(),
                             .bias = nullptr,
                             .tokens = tokens,
                             .rows = matrix.rows,
                             .out = y.data(),
                             .out_stride = matrix.rows});
  return y;
}

TEST(BitLinearInModel, EqualsTheForwardPassBitForBit) {
  const auto model = Model::load(testing::bundled_model(), {.threads = 2});
  const Model::Impl& impl = model->impl();
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const std::size_t n : {std::size_t{0}, impl.weights.layers.size() - 1}) {
    const LayerSource& source = impl.checkpoint.layers[n];
    const Layer& layer = impl.weights.layers[n];
    for (const auto& [stored, linear] :
         {std::pair(&source.query, &layer.query), {&source.up, &layer.up}, {&source.down, &layer.down}}) {
      ASSERT_TRUE(linear->matrix.ternary);
      const auto out = static_cast<std::int64_t>(stored->rows);
      const auto in = static_cast<std::int64_t>(stored->cols);
      const TernaryMatrix trits = read_ternary(*stored, impl.checkpoint.unpack);
      const auto stream = encode_stream(trits, *find_codec("hybrid"));
      std::vector<BitLinear> same;
      same.push_back(BitLinear::encoded(stream, {}, {.threads = 2}));
      if (stored->scale == 1.0f && stored->interleaved_heads == 0) {
        same.push_back(BitLinear::packed(stored->weight->dtype, stored->weight->bytes, out, in));
      }
      for (const std::size_t tokens : {1, 5, 40}) {
        std::vector<float> x(tokens * stored->cols);
        for (float& value : x) value = normal(random);
        const auto expected = product(impl.dispatch, linear->matrix, x, tokens);
        const Tensor input =
            Tensor::from(std::span<const float>(x), Shape{static_cast<std::int64_t>(tokens), in});
        for (const BitLinear& each : same) EXPECT_EQ(each.forward(input).to_vector<float>(), expected);
      }
    }
  }
}

// Master weights: the layer's own quantisation is that of loading the checkpoint.
TEST(BitLinearInModel, MasterWeightsGiveTheModelsMatrix) {
  STERNA_REQUIRE_SHARED(masters, "models/tales/bf16");
  const auto model = Model::load(masters, {.threads = 2});
  const Model::Impl& impl = model->impl();
  const LinearSource& source = impl.checkpoint.layers[0].gate;
  ASSERT_EQ(source.encoding, WeightEncoding::Master);
  const auto out = static_cast<std::int64_t>(source.rows);
  const auto in = static_cast<std::int64_t>(source.cols);
  auto* bytes = const_cast<std::byte*>(source.weight->bytes.data());
  const BitLinear layer(Tensor::borrow(bytes, source.weight->dtype, {out, in}, {}, /*writable=*/false));
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  std::vector<float> x(3 * source.cols);
  for (float& value : x) value = normal(random);
  EXPECT_EQ(layer.forward(Tensor::from(std::span<const float>(x), Shape{3, in})).to_vector<float>(),
            product(impl.dispatch, impl.weights.layers[0].gate.matrix, x, 3));
}

}  // namespace
}  // namespace sterna
