#include "model/recovery/recover.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "model/model_impl.hpp"
#include "model/recovery/adam.hpp"
#include "sterna/error.hpp"
#include "sterna/half.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

std::array<const Linear*, kBlockLinears> linears_of(const Layer& layer) {
  return {&layer.query, &layer.key, &layer.value, &layer.attention_output,
          &layer.gate,  &layer.up,  &layer.down};
}

[[noreturn]] void refuse(std::string_view message, std::string found, std::string expected) {
  throw Error(ErrorCategory::InvalidArgument, message,
              {{"operation", "recover"}, {"found", std::move(found)}, {"expected", std::move(expected)}});
}

void check(const Model& model, std::span<const QuantizedBlock> blocks,
           std::span<const std::vector<TokenId>> windows, const RecoveryOptions& options) {
  const auto& layers = model.impl().weights.layers;
  if (blocks.size() != layers.size())
    refuse("there is not one block for each of the model's", std::to_string(blocks.size()),
           std::to_string(layers.size()));
  for (std::size_t n = 0; n < layers.size(); ++n) {
    const auto linears = linears_of(layers[n]);
    for (std::size_t i = 0; i < kBlockLinears; ++i) {
      const Matrix& matrix = linears[i]->matrix;
      if (matrix.ternary || !can_dequantize(matrix.dtype) || !linears[i]->input_norm.empty()) {
        throw Error(ErrorCategory::Unsupported, "recovery needs a float model to learn from",
                    {{"block", std::to_string(n)}, {"found", std::string(name(matrix.dtype))}});
      }
      const GridMatrix& linear = blocks[n][i];
      if (linear.codes.empty()) continue;
      if (linear.rows != matrix.rows || linear.cols != matrix.cols || linear.group == 0 ||
          linear.cols % linear.group != 0 || linear.codes.size() != linear.rows * linear.cols ||
          linear.scales.size() != linear.rows * (linear.cols / linear.group))
        refuse("a quantised matrix does not fit the model's", "block " + std::to_string(n),
               std::to_string(matrix.rows) + " × " + std::to_string(matrix.cols));
    }
  }
  if (windows.empty() || windows.front().empty()) refuse("there are no windows", "0", "at least 1");
  for (const auto& window : windows) {
    if (window.size() != windows.front().size())
      refuse("windows have different lengths", std::to_string(window.size()),
             std::to_string(windows.front().size()));
    for (const TokenId id : window) {
      if (id < 0 || static_cast<std::uint32_t>(id) >= model.config().vocab)
        refuse("a token id outside the vocabulary", std::to_string(id),
               "0 to " + std::to_string(model.config().vocab - 1));
    }
  }
  if (options.batch == 0) refuse("the batch must be positive", "0", "at least 1");
  if (!(options.learning_rate > 0) || !std::isfinite(options.learning_rate))
    refuse("the learning rate must be positive", std::to_string(options.learning_rate), "above 0");
}

Tensor float_matrix(const Matrix& matrix) {
  const Tensor result = Tensor::empty(
      {static_cast<std::int64_t>(matrix.rows), static_cast<std::int64_t>(matrix.cols)}, DType::F32);
  float* out = result.mutable_data<float>();
  for (std::uint64_t r = 0; r < matrix.rows; ++r)
    dequantize_row(matrix.dtype, matrix.data + r * matrix.stride, matrix.cols, out + r * matrix.cols);
  return result;
}

/// Calls visit(index of the scale, first code, one behind the last) for every group.
template <class Visit>
void for_each_group(const GridMatrix& linear, Visit&& visit) {
  for (std::size_t i = 0; i < linear.scales.size(); ++i) visit(i, i * linear.group, (i + 1) * linear.group);
}

void dequantize(const GridMatrix& linear, std::span<const float> scales, const Tensor& weight) {
  float* out = weight.mutable_data<float>();
  for_each_group(linear, [&](std::size_t g, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) out[i] = scales[g] * static_cast<float>(linear.codes[i]);
  });
}

float rounded(float scale) {
  return f16_to_f32(f32_to_f16(scale));
}

/// The residual stream of all windows, and the blocks' work on some of them.
class Stream {
 public:
  Stream(std::size_t windows, std::size_t window, std::size_t hidden)
      : window_(window),
        hidden_(hidden),
        rows_(Tensor::zeros({static_cast<std::int64_t>(windows * window), static_cast<std::int64_t>(hidden)},
                            DType::F32)) {}

  float* row(std::size_t token) const { return rows_.mutable_data<float>() + token * hidden_; }
  /// Windows [first, first + count), where they lie.
  Tensor windows(std::size_t first, std::size_t count) const {
    return rows_.slice(0, {static_cast<std::int64_t>(first * window_),
                           static_cast<std::int64_t>((first + count) * window_)});
  }
  std::size_t count() const { return static_cast<std::size_t>(rows_.size(0)) / window_; }

 private:
  std::size_t window_, hidden_;
  Tensor rows_;
};

double squared_distance(const Tensor& a, const Tensor& b) {
  const float *x = a.data<float>(), *y = b.data<float>();
  double sum = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) sum += double{x[i] - y[i]} * double{x[i] - y[i]};
  return sum;
}

/// Calls visit(first, count) for all windows, `batch` at a time.
template <class Visit>
void for_each_batch(std::size_t windows, std::size_t batch, Visit&& visit) {
  for (std::size_t first = 0; first < windows; first += batch) visit(first, std::min(batch, windows - first));
}

/// One block between its input and what the teacher makes of the teacher's.
class Student {
 public:
  Student(const ModelConfig& config, std::size_t window, BlockWeights<float> weights,
          const QuantizedBlock& codes)
      : block_(config, window), weights_(std::move(weights)), codes_(codes), first_norms_(norms()) {
    for (std::size_t i = 0; i < kBlockLinears; ++i) scales_[i] = codes[i].scales;
    dequantize_all();
    for (const auto& norm : first_norms_) norm_steps_.emplace_back(norm.size());
    for (const auto& scales : scales_) scale_steps_.emplace_back(scales.size());
  }

  /// Mean over tokens of Σ (student − teacher)².
  double loss(const Stream& in, const Stream& wanted, std::size_t batch) {
    double sum = 0, tokens = 0;
    for_each_batch(in.count(), batch, [&](std::size_t first, std::size_t count) {
      const Tensor y = block_.forward(weights_, in.windows(first, count));
      sum += squared_distance(y, wanted.windows(first, count));
      tokens += static_cast<double>(y.size(0));
    });
    return sum / tokens;
  }

  void step(const Tensor& in, const Tensor& wanted, double rate) {
    const Tensor y = block_.forward(weights_, in);
    const Tensor dy = Tensor::empty(y.shape(), DType::F32);
    const float *found = y.data<float>(), *aim = wanted.data<float>();
    float* out = dy.mutable_data<float>();
    const float factor = 2 / static_cast<float>(y.size(0));
    for (std::int64_t i = 0; i < y.size(); ++i) out[i] = factor * (found[i] - aim[i]);
    BlockWeights<float> gradients = block_.backward(weights_, dy);
    const auto norms = weights_.norms();
    const auto norm_gradients = gradients.norms();
    for (std::size_t i = 0; i < norms.size(); ++i) norm_steps_[i].move(*norms[i], *norm_gradients[i], rate);
    for (std::size_t i = 0; i < kBlockLinears; ++i) move_scales(i, gradients.linears[i], rate);
    dequantize_all();
  }

  void round_scales() {
    for (auto& scales : scales_) std::ranges::transform(scales, scales.begin(), rounded);
    dequantize_all();
  }
  /// Back to what was given, its scales rounded.
  void reset() {
    const auto now = weights_.norms();
    for (std::size_t i = 0; i < now.size(); ++i) *now[i] = first_norms_[i];
    for (std::size_t i = 0; i < kBlockLinears; ++i) scales_[i] = codes_[i].scales;
    round_scales();
  }

  /// Replaces the stream by what the block makes of it.
  void advance(const Stream& stream, std::size_t batch) {
    for_each_batch(stream.count(), batch, [&](std::size_t first, std::size_t count) {
      const Tensor y = block_.forward(weights_, stream.windows(first, count));
      stream.windows(first, count).assign(y);
    });
  }

  RecoveredBlock result() const {
    RecoveredBlock block;
    block.attention_norm = weights_.attention_norm;
    block.attention_sub_norm = weights_.attention_sub_norm;
    block.ffn_norm = weights_.ffn_norm;
    block.ffn_sub_norm = weights_.ffn_sub_norm;
    block.scales = scales_;
    return block;
  }

 private:
  std::vector<std::vector<float>> norms() {
    std::vector<std::vector<float>> copies;
    for (const auto* norm : weights_.norms()) copies.push_back(*norm);
    return copies;
  }

  void dequantize_all() {
    for (std::size_t i = 0; i < kBlockLinears; ++i) {
      if (!codes_[i].codes.empty()) dequantize(codes_[i], scales_[i], weights_.linears[i]);
    }
  }

  /// ŵ = code · s₀ · m: ∂L/∂m = s₀ · Σ code · ∂L/∂ŵ over the group.
  void move_scales(std::size_t i, const Tensor& gradient, double rate) {
    const GridMatrix& linear = codes_[i];
    if (linear.codes.empty()) return;
    const float* d = gradient.data<float>();
    std::vector<float> factors(linear.scales.size()), gradients(linear.scales.size());
    for_each_group(linear, [&](std::size_t g, std::size_t begin, std::size_t end) {
      const float first = linear.scales[g];
      float sum = 0;
      for (std::size_t c = begin; c < end; ++c) sum += static_cast<float>(linear.codes[c]) * d[c];
      factors[g] = first == 0 ? 1 : scales_[i][g] / first;
      gradients[g] = first * sum;
    });
    scale_steps_[i].move(factors, gradients, rate);
    for (std::size_t g = 0; g < factors.size(); ++g) scales_[i][g] = linear.scales[g] * factors[g];
  }

  Block<float> block_;
  BlockWeights<float> weights_;
  const QuantizedBlock& codes_;
  std::vector<std::vector<float>> first_norms_;
  std::array<std::vector<float>, kBlockLinears> scales_;
  std::vector<Adam> norm_steps_, scale_steps_;
};

Stream embedded(const Model& model, std::span<const std::vector<TokenId>> windows) {
  const Matrix& embedding = model.impl().weights.embedding;
  Stream stream(windows.size(), windows.front().size(), embedding.cols);
  std::size_t at = 0;
  for (const auto& window : windows) {
    for (const TokenId id : window) {
      dequantize_row(embedding.dtype, embedding.data + static_cast<std::size_t>(id) * embedding.stride,
                     embedding.cols, stream.row(at++));
    }
  }
  return stream;
}

}  // namespace

BlockWeights<float> float_block(const Layer& layer) {
  BlockWeights<float> block;
  block.attention_norm = layer.attention_norm;
  block.attention_sub_norm = layer.attention_sub_norm;
  block.ffn_norm = layer.ffn_norm;
  block.ffn_sub_norm = layer.ffn_sub_norm;
  const auto linears = linears_of(layer);
  for (std::size_t i = 0; i < kBlockLinears; ++i) {
    block.linears[i] = float_matrix(linears[i]->matrix);
    block.biases[i] = linears[i]->bias;
  }
  return block;
}

std::vector<RecoveredBlock> recover(const Model& model, std::span<const QuantizedBlock> blocks,
                                    std::span<const std::vector<TokenId>> windows,
                                    const RecoveryOptions& options) {
  check(model, blocks, windows, options);
  const std::size_t window = windows.front().size();
  const std::size_t batch = std::min<std::size_t>(options.batch, windows.size());
  const Stream teacher = embedded(model, windows);
  const Stream student = embedded(model, windows);
  std::vector<RecoveredBlock> recovered;
  for (std::size_t n = 0; n < blocks.size(); ++n) {
    const Layer& layer = model.impl().weights.layers[n];
    Student(model.config(), window, float_block(layer), QuantizedBlock{}).advance(teacher, batch);
    Student block(model.config(), window, float_block(layer), blocks[n]);
    const double before = block.loss(student, teacher, batch);
    std::size_t first = 0;
    for (std::uint32_t step = 0; step < options.steps; ++step) {
      const std::size_t count = std::min(batch, windows.size() - first);
      block.step(student.windows(first, count), teacher.windows(first, count),
                 options.learning_rate * (1 - static_cast<double>(step) / options.steps));
      first = first + count == windows.size() ? 0 : first + count;
      if (options.progress)
        options.progress(n * options.steps + step + 1, blocks.size() * std::uint64_t{options.steps}, "steps");
    }
    block.round_scales();
    double after = block.loss(student, teacher, batch);
    if (!(after < before)) {
      block.reset();
      after = block.loss(student, teacher, batch);
    }
    recovered.push_back(block.result());
    recovered.back().loss_before = before;
    recovered.back().loss_after = after;
    block.advance(student, batch);
  }
  return recovered;
}

}  // namespace sterna
