// One block of the decoder and the gradients of its weights, on tensors: what recovery trains with.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "sterna/model.hpp"
#include "sterna/tensor.hpp"

namespace sterna {

/// The linear layers of a block, in the order of the forward pass.
enum class BlockLinear : std::uint8_t { Query, Key, Value, AttentionOutput, Gate, Up, Down };
inline constexpr std::size_t kBlockLinears = 7;

/// A block's weights, or the gradients of a number by them. T: float, and double for the tests.
template <class T>
struct BlockWeights {
  std::vector<T> attention_norm;                     ///< [hidden]
  std::vector<T> attention_sub_norm;                 ///< [heads · head_dim]; empty without sub-norms
  std::vector<T> ffn_norm;                           ///< [hidden]
  std::vector<T> ffn_sub_norm;                       ///< [ffn]; empty without sub-norms
  std::array<Tensor, kBlockLinears> linears;         ///< [rows, cols]
  std::array<std::vector<T>, kBlockLinears> biases;  ///< [rows], or empty; gradients have none

  Tensor& linear(BlockLinear which) { return linears[static_cast<std::size_t>(which)]; }
  const Tensor& linear(BlockLinear which) const { return linears[static_cast<std::size_t>(which)]; }
  /// The four norms, those that the model lacks empty.
  std::array<std::vector<T>*, 4> norms() {
    return {&attention_norm, &attention_sub_norm, &ffn_norm, &ffn_sub_norm};
  }
};

/// The block as the forward pass has it (model/forward.hpp), without rounding activations: x is [windows ·
/// window, hidden], and each window is a sequence from position 0. Products are those of sterna/linalg.hpp.
template <class T>
class Block {
 public:
  Block(const ModelConfig& config, std::size_t window);

  /// y [windows · window, hidden], and what backward needs.
  Tensor forward(const BlockWeights<T>& weights, const Tensor& x);
  /// ∂L/∂weights for dy = ∂L/∂y of the last forward, whose weights these must be.
  BlockWeights<T> backward(const BlockWeights<T>& weights, const Tensor& dy);

 private:
  /// [tokens, heads · d] to [windows, config.heads, window, d], each key and value head once for every query
  /// head that reads it; and back, with the sum over these.
  Tensor split_heads(const Tensor& rows, std::size_t heads, bool rotate) const;
  Tensor merge_heads(const Tensor& heads_first, std::size_t heads, bool rotate_back) const;

  const ModelConfig& config_;
  std::size_t window_;
  std::vector<T> cosines_, sines_;  ///< [window, head_dim / 2]
  Tensor x_, a_, q_, k_, v_, p_, o_, o_normed_, x2_, f_, gate_, up_, h_, h_normed_;
  std::vector<T> attention_r_, attention_sub_r_, ffn_r_, ffn_sub_r_;  ///< 1 / rms of each row
};

extern template class Block<float>;
extern template class Block<double>;

}  // namespace sterna
