#include "model/recovery/block.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/rope.hpp"
#include "sterna/linalg.hpp"

namespace sterna {
namespace {

template <class T>
struct Rows {
  T* data;
  std::size_t count;
  std::size_t size;
  T* operator[](std::size_t i) const { return data + i * size; }
};
template <class T>
Rows<const T> rows_of(const Tensor& tensor) {
  return {tensor.data<T>(), static_cast<std::size_t>(tensor.size(0)),
          static_cast<std::size_t>(tensor.size(1))};
}
template <class T>
Rows<T> mutable_rows_of(const Tensor& tensor) {
  return {tensor.mutable_data<T>(), static_cast<std::size_t>(tensor.size(0)),
          static_cast<std::size_t>(tensor.size(1))};
}

template <class T>
Tensor zeros_like(const Tensor& tensor) {
  return Tensor::zeros(tensor.shape(), dtype_of<T>());
}

/// y = x·r·g, r = 1 / √(mean x² + ε), which is kept.
template <class T>
Tensor rms_norm(const Tensor& x, const std::vector<T>& g, float eps, std::vector<T>& r) {
  const Tensor y = zeros_like<T>(x);
  const auto in = rows_of<T>(x);
  const auto out = mutable_rows_of<T>(y);
  r.resize(in.count);
  for (std::size_t t = 0; t < in.count; ++t) {
    T square = 0;
    for (std::size_t i = 0; i < in.size; ++i) square += in[t][i] * in[t][i];
    r[t] = 1 / std::sqrt(square / static_cast<T>(in.size) + static_cast<T>(eps));
    for (std::size_t i = 0; i < in.size; ++i) out[t][i] = in[t][i] * r[t] * g[i];
  }
  return y;
}

/// ∂L/∂g, and ∂L/∂x = r·g·dy − x·(r³/n)·Σ g·dy·x.
template <class T>
Tensor rms_norm_backward(const Tensor& x, const std::vector<T>& g, const std::vector<T>& r, const Tensor& dy,
                         std::vector<T>& dg) {
  const Tensor dx = zeros_like<T>(x);
  const auto in = rows_of<T>(x);
  const auto d = rows_of<T>(dy);
  const auto out = mutable_rows_of<T>(dx);
  dg.assign(in.size, 0);
  for (std::size_t t = 0; t < in.count; ++t) {
    T sum = 0;
    for (std::size_t i = 0; i < in.size; ++i) {
      dg[i] += d[t][i] * in[t][i] * r[t];
      sum += g[i] * d[t][i] * in[t][i];
    }
    const T along = r[t] * r[t] * r[t] * sum / static_cast<T>(in.size);
    for (std::size_t i = 0; i < in.size; ++i) out[t][i] = r[t] * g[i] * d[t][i] - in[t][i] * along;
  }
  return dx;
}

template <class T>
Tensor multiply(const BlockWeights<T>& weights, BlockLinear which, const Tensor& x) {
  const Tensor y = matmul(x, weights.linear(which).transpose());
  const auto& bias = weights.biases[static_cast<std::size_t>(which)];
  if (bias.empty()) return y;
  const auto out = mutable_rows_of<T>(y);
  for (std::size_t t = 0; t < out.count; ++t) {
    for (std::size_t i = 0; i < out.size; ++i) out[t][i] += bias[i];
  }
  return y;
}

template <class T>
void add_to(const Tensor& sum, const Tensor& term) {
  T* out = sum.mutable_data<T>();
  const T* in = term.data<T>();
  for (std::int64_t i = 0; i < sum.size(); ++i) out[i] += in[i];
}

/// p = softmax(s·scale) over the positions up to a row's own, in place.
template <class T>
void causal_softmax(const Tensor& s, std::size_t window, T scale) {
  T* at = s.mutable_data<T>();
  const std::size_t rows = static_cast<std::size_t>(s.size()) / window;
  for (std::size_t row = 0; row < rows; ++row, at += window) {
    const std::size_t seen = row % window + 1;
    T most = at[0];
    for (std::size_t i = 1; i < seen; ++i) most = std::max(most, at[i]);
    T sum = 0;
    for (std::size_t i = 0; i < seen; ++i) sum += at[i] = std::exp((at[i] - most) * scale);
    for (std::size_t i = 0; i < seen; ++i) at[i] /= sum;
    std::fill(at + seen, at + window, T{0});
  }
}

/// ds = p·(dp − Σ p·dp)·scale, in place of dp.
template <class T>
void softmax_backward(const Tensor& p, const Tensor& dp, std::size_t window, T scale) {
  const T* in = p.data<T>();
  T* out = dp.mutable_data<T>();
  const std::size_t rows = static_cast<std::size_t>(p.size()) / window;
  for (std::size_t row = 0; row < rows; ++row, in += window, out += window) {
    T sum = 0;
    for (std::size_t i = 0; i < window; ++i) sum += in[i] * out[i];
    for (std::size_t i = 0; i < window; ++i) out[i] = in[i] * (out[i] - sum) * scale;
  }
}

template <class T>
struct Activated {
  T value, slope;
};
template <class T>
Activated<T> activate(Activation activation, T g) {
  if (activation == Activation::Relu2) return g > 0 ? Activated<T>{g * g, 2 * g} : Activated<T>{0, 0};
  if (activation == Activation::Silu) {
    const T s = 1 / (1 + std::exp(-g));
    return {g * s, s + g * s * (1 - s)};
  }
  // GELU by tanh, as the kernels have it: g·σ(2u), 2u = 2·√(2/π)·(g + 0.044715 g³)
  constexpr T kSlope = static_cast<T>(1.5957691216);
  constexpr T kCubic = static_cast<T>(0.044715);
  const T s = 1 / (1 + std::exp(-kSlope * (g + kCubic * g * g * g)));
  return {g * s, s + g * s * (1 - s) * kSlope * (1 + 3 * kCubic * g * g)};
}

}  // namespace

template <class T>
Block<T>::Block(const ModelConfig& config, std::size_t window) : config_(config), window_(window) {
  const RopeAngles angles(config.rope);
  std::vector<float> cosines(angles.size()), sines(angles.size());
  for (std::size_t t = 0; t < window; ++t) {
    angles.at(static_cast<std::uint32_t>(t), cosines.data(), sines.data());
    cosines_.insert(cosines_.end(), cosines.begin(), cosines.end());
    sines_.insert(sines_.end(), sines.begin(), sines.end());
  }
}

template <class T>
Tensor Block<T>::split_heads(const Tensor& rows, std::size_t heads, bool rotate) const {
  const std::size_t d = config_.head_dim, half = d / 2, repeat = config_.heads / heads;
  const auto in = rows_of<T>(rows);
  const std::size_t windows = in.count / window_;
  const Tensor result = Tensor::empty({static_cast<std::int64_t>(windows), config_.heads,
                                       static_cast<std::int64_t>(window_), config_.head_dim},
                                      dtype_of<T>());
  T* out = result.mutable_data<T>();
  for (std::size_t w = 0; w < windows; ++w) {
    for (std::size_t head = 0; head < config_.heads; ++head) {
      for (std::size_t t = 0; t < window_; ++t, out += d) {
        const T* from = in[w * window_ + t] + head / repeat * d;
        if (!rotate) {
          std::copy_n(from, d, out);
          continue;
        }
        for (std::size_t i = 0; i < half; ++i) {
          const T c = cosines_[t * half + i], s = sines_[t * half + i];
          out[i] = from[i] * c - from[half + i] * s;
          out[half + i] = from[half + i] * c + from[i] * s;
        }
      }
    }
  }
  return result;
}

template <class T>
Tensor Block<T>::merge_heads(const Tensor& heads_first, std::size_t heads, bool rotate_back) const {
  const std::size_t d = config_.head_dim, half = d / 2, repeat = config_.heads / heads;
  const auto windows = static_cast<std::size_t>(heads_first.size(0));
  const Tensor result = Tensor::zeros(
      {static_cast<std::int64_t>(windows * window_), static_cast<std::int64_t>(heads * d)}, dtype_of<T>());
  const auto out = mutable_rows_of<T>(result);
  const T* from = heads_first.data<T>();
  for (std::size_t w = 0; w < windows; ++w) {
    for (std::size_t head = 0; head < config_.heads; ++head) {
      for (std::size_t t = 0; t < window_; ++t, from += d) {
        T* to = out[w * window_ + t] + head / repeat * d;
        for (std::size_t i = 0; !rotate_back && i < d; ++i) to[i] += from[i];
        for (std::size_t i = 0; rotate_back && i < half; ++i) {
          const T c = cosines_[t * half + i], s = sines_[t * half + i];
          to[i] += from[i] * c + from[half + i] * s;
          to[half + i] += from[half + i] * c - from[i] * s;
        }
      }
    }
  }
  return result;
}

template <class T>
Tensor Block<T>::forward(const BlockWeights<T>& weights, const Tensor& x) {
  const T scale = 1 / std::sqrt(static_cast<T>(config_.head_dim));
  x_ = x;
  a_ = rms_norm(x, weights.attention_norm, config_.norm_eps, attention_r_);
  q_ = split_heads(multiply(weights, BlockLinear::Query, a_), config_.heads, true);
  k_ = split_heads(multiply(weights, BlockLinear::Key, a_), config_.kv_heads, true);
  v_ = split_heads(multiply(weights, BlockLinear::Value, a_), config_.kv_heads, false);
  p_ = matmul(q_, k_.transpose(2, 3));
  causal_softmax(p_, window_, scale);
  o_ = merge_heads(matmul(p_, v_), config_.heads, false);
  o_normed_ = weights.attention_sub_norm.empty()
                  ? o_
                  : rms_norm(o_, weights.attention_sub_norm, config_.norm_eps, attention_sub_r_);
  x2_ = multiply(weights, BlockLinear::AttentionOutput, o_normed_);
  add_to<T>(x2_, x);
  f_ = rms_norm(x2_, weights.ffn_norm, config_.norm_eps, ffn_r_);
  gate_ = multiply(weights, BlockLinear::Gate, f_);
  up_ = multiply(weights, BlockLinear::Up, f_);
  h_ = zeros_like<T>(gate_);
  {
    const T *gate = gate_.data<T>(), *up = up_.data<T>();
    T* out = h_.mutable_data<T>();
    for (std::int64_t i = 0; i < h_.size(); ++i) out[i] = activate(config_.activation, gate[i]).value * up[i];
  }
  h_normed_ =
      weights.ffn_sub_norm.empty() ? h_ : rms_norm(h_, weights.ffn_sub_norm, config_.norm_eps, ffn_sub_r_);
  const Tensor y = multiply(weights, BlockLinear::Down, h_normed_);
  add_to<T>(y, x2_);
  return y;
}

template <class T>
BlockWeights<T> Block<T>::backward(const BlockWeights<T>& weights, const Tensor& dy) {
  const T scale = 1 / std::sqrt(static_cast<T>(config_.head_dim));
  BlockWeights<T> gradients;
  // Of y = x·Wᵀ: ∂L/∂W = dyᵀ·x is stored, ∂L/∂x = dy·W is the result.
  const auto back = [&](BlockLinear which, const Tensor& in, const Tensor& d) {
    gradients.linear(which) = matmul(d.transpose(), in);
    return matmul(d, weights.linear(which));
  };
  Tensor dh = back(BlockLinear::Down, h_normed_, dy);
  if (!weights.ffn_sub_norm.empty())
    dh = rms_norm_backward(h_, weights.ffn_sub_norm, ffn_sub_r_, dh, gradients.ffn_sub_norm);
  const Tensor dgate = zeros_like<T>(gate_), dup = zeros_like<T>(up_);
  {
    const T *in = dh.data<T>(), *gate = gate_.data<T>(), *up = up_.data<T>();
    T *to_gate = dgate.mutable_data<T>(), *to_up = dup.mutable_data<T>();
    for (std::int64_t i = 0; i < dh.size(); ++i) {
      const Activated<T> at = activate(config_.activation, gate[i]);
      to_gate[i] = in[i] * up[i] * at.slope;
      to_up[i] = in[i] * at.value;
    }
  }
  const Tensor df = back(BlockLinear::Gate, f_, dgate);
  add_to<T>(df, back(BlockLinear::Up, f_, dup));
  const Tensor dx2 = rms_norm_backward(x2_, weights.ffn_norm, ffn_r_, df, gradients.ffn_norm);
  add_to<T>(dx2, dy);

  Tensor d_o = back(BlockLinear::AttentionOutput, o_normed_, dx2);
  if (!weights.attention_sub_norm.empty()) {
    d_o = rms_norm_backward(o_, weights.attention_sub_norm, attention_sub_r_, d_o,
                            gradients.attention_sub_norm);
  }
  const Tensor heads = split_heads(d_o, config_.heads, false);
  const Tensor ds = matmul(heads, v_.transpose(2, 3));
  softmax_backward(p_, ds, window_, scale);
  const Tensor da = back(BlockLinear::Query, a_, merge_heads(matmul(ds, k_), config_.heads, true));
  add_to<T>(da,
            back(BlockLinear::Key, a_, merge_heads(matmul(ds.transpose(2, 3), q_), config_.kv_heads, true)));
  add_to<T>(da, back(BlockLinear::Value, a_,
                     merge_heads(matmul(p_.transpose(2, 3), heads), config_.kv_heads, false)));
  rms_norm_backward(x_, weights.attention_norm, attention_r_, da, gradients.attention_norm);
  return gradients;
}

template class Block<float>;
template class Block<double>;

}  // namespace sterna
