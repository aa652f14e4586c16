// The forward pass of the decoder: tokens to hidden states to logits.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>

#include "memory/arena.hpp"
#include "model/kv_cache.hpp"
#include "model/rope.hpp"
#include "model/screened_head.hpp"
#include "model/weights.hpp"
#include "platform/thread_pool.hpp"

namespace sterna {

struct ProductPiece;

struct ForwardOptions {
  std::uint32_t context;  ///< positions of the KV cache
  std::uint32_t batch;    ///< tokens at once
  KvType kv;
};

/// Sees what products are fed with, before they are computed: rows [tokens, columns of `first`] after every
/// norm, before they are quantised. `first` is the first of the products that share them.
using InputObserver = std::function<void(const Linear& first, const float* rows, std::size_t tokens)>;

/// The working memory of one sequence and the pass over it. Per layer, with x the residual stream [tokens,
/// hidden]:
///
///   a = quantise(rms_norm(x));  q, k, v = W_q·a, W_k·a, W_v·a;  rotate q, k;  append k, v to the cache
///   x += W_o · quantise(sub_norm(softmax(q·Kᵀ/√d)·V))
///   f = quantise(rms_norm(x));  x += W_down · quantise(sub_norm(act(W_gate·f) ∘ W_up·f))
///
/// Every float operation works on one token alone and in an order that depends on neither threads nor batch,
/// so neither changes a bit of the result. Nothing is allocated after construction. Weights, dispatch and
/// pool must outlive it.
class Forward {
 public:
  Forward(const ModelConfig& config, const Weights& weights, const Dispatch& dispatch, ThreadPool& pool,
          const ForwardOptions& options);

  /// Runs tokens (1 to batch, ids in range) at positions [position, position + tokens), all < context, with
  /// every earlier position in the cache. False when `cancelled` became true between layers; the cache below
  /// `position` is intact.
  bool run(std::span<const std::int32_t> tokens, std::uint32_t position, const std::atomic<bool>& cancelled);

  /// What run() is made of, for a caller that keeps the residual stream [tokens, hidden] before some block:
  /// blocks before it need not be run again, with the same bits. Tokens and positions as in run(); earlier
  /// positions must be in the cache for the blocks that run, and for no others.
  ///
  /// The stream before block 0.
  void embed(std::span<const std::int32_t> tokens, std::span<float> stream);
  /// Takes a stream through blocks [first, last), in place. Cancelled as run(); the stream is then as it was.
  bool run_blocks(std::size_t first, std::size_t last, std::span<float> stream, std::uint32_t position,
                  const std::atomic<bool>& cancelled);
  /// Runs from block `first` to the end; from as many blocks as there are: the final norm alone.
  bool run_from(std::size_t first, std::span<const float> stream, std::uint32_t position,
                const std::atomic<bool>& cancelled);

  /// Of the layers of all runs from now on, on the calling thread; not of the head. An empty one ends it.
  void observe(InputObserver observer) { observer_ = std::move(observer); }

  /// The last run's hidden state [hidden] of its token `index`, after the final norm.
  std::span<const float> hidden(std::size_t index) const noexcept;
  /// The logits [count, vocab] of tokens [first, first + count) of the last run.
  void logits(std::size_t first, std::size_t count, float* out);
  /// The logits [vocab] of token `index` of the last run that are needed; of the others any may be −infinity.
  void logits(std::size_t index, const NeededLogits& needed, float* out);
  HeadStatistics head_statistics() const noexcept {
    return screen_ ? screen_->statistics() : HeadStatistics{};
  }

  /// Between runs: gives the pages back that the cache has beyond `position`, and those of the working memory
  /// but hidden()'s. What comes later is the same, bit for bit. Returns their bytes.
  std::uint64_t release_unused(std::uint32_t position) noexcept {
    return cache_.release_beyond(position) + arena_.release_all_but(final_);
  }

  std::uint64_t cache_bytes() const noexcept { return cache_.bytes(); }
  std::uint64_t working_bytes() const noexcept { return arena_.bytes(); }

 private:
  /// What products read: rows [tokens, size], normalised first where there is a norm.
  struct Input {
    const float* rows;
    std::size_t size;
    const std::vector<float>& norm;  ///< empty: none
  };
  /// One of several products of the same input.
  struct Product {
    const Linear* linear;
    float* out;              ///< [tokens, stride]
    std::size_t out_stride;  ///< elements
  };

  /// The matrices of a product, one below the other: those that come next, of which threads that wait read
  /// what they will begin with. Empty where nobody knows, or another operation would push them out.
  using Matrices = std::initializer_list<const Matrix*>;

  void start(std::size_t tokens);
  bool go_through(std::size_t first, std::size_t last, std::uint32_t position,
                  const std::atomic<bool>& cancelled);
  void normalise_final();
  void attention_block(const Layer& layer, std::size_t index, std::uint32_t position);
  void ffn_block(const Layer& layer, std::size_t index);
  void rotate(float* heads, std::size_t count, std::size_t token);
  void append(std::size_t layer, std::size_t head, std::uint32_t position, std::size_t token);
  void append_tokens(std::size_t layer, std::uint32_t position);
  void attend(std::size_t layer, std::uint32_t position, const Linear& next);
  void deal_product(std::size_t rows, std::size_t cols, std::size_t tokens, Matrices next,
                    FunctionRef<void(const ProductPiece& piece, unsigned thread)> work);
  std::span<const std::byte> first_weights(Matrices matrices, unsigned thread) const;
  void for_each(std::size_t items, FunctionRef<void(std::size_t item, unsigned thread)> work);
  void feed(const Input& input, std::span<const Product> products);
  void quantise16(const float* x, std::size_t token, std::size_t n);
  void feed_head(std::size_t first, std::size_t count);
  void multiply_head(std::size_t first, const ProductPiece& piece, float* out);
  void multiply(const Input& input, std::span<const Product> products);
  void multiply_gated(const Input& input, const Linear& gate, const Linear& up, const Linear& next);
  void multiply_and_add(const Input& input, const Linear& linear, Matrices next);
  void multiply_piece(const Linear& linear, const ProductPiece& piece, unsigned thread, float* out,
                      std::size_t out_stride);

  const ModelConfig& config_;
  const Weights& weights_;
  const Dispatch& dispatch_;
  const Kernels* kernels_ = nullptr;  ///< for the tokens of the current run
  ThreadPool& pool_;
  RopeAngles rope_;
  KvType cache_type_;
  KvCache cache_;
  std::size_t tokens_ = 0;  ///< of the current run

  std::size_t query_size_;        ///< heads · head_dim
  std::size_t kv_size_;           ///< kv_heads · head_dim
  std::size_t group_;             ///< query heads to a kv head
  std::size_t tile_tokens_;       ///< tokens of a prompt whose attention is computed together
  std::size_t widest_;            ///< the longest input row of any product
  std::size_t padded_;            ///< the same, padded for the kernels
  std::size_t widest16_;          ///< the longest input row of a matrix of a block type
  PieceShape many_tokens_piece_;  ///< what kernels take of a product with many tokens
  std::size_t piece_size_;        ///< tokens · rows of a piece of a product, at the most

  Arena arena_;
  std::span<float> x_;                 ///< [batch, hidden]: the residual stream
  std::span<float> input_;             ///< [batch, widest]: the input of float matrices
  std::span<float> row_;               ///< [threads, widest]: a row between its norm and its codes
  std::span<std::int8_t> codes_;       ///< [batch, padded]: the input, quantised
  std::span<float> code_scales_;       ///< [batch]
  std::span<std::int32_t> code_sums_;  ///< [batch]
  std::span<std::int16_t> codes16_;    ///< [batch, widest16]: the input of matrices of block types
  std::span<float> code16_scales_;     ///< [batch]
  std::span<float> query_, key_, value_, attended_, gated_, final_;
  std::span<float> cosines_, sines_;  ///< [batch, head_dim / 2]
  std::span<float> rotated_;          ///< [threads, group · head_dim]: the queries of one token
  std::span<std::int32_t> sums_;      ///< [threads, piece_size]
  std::span<float> pieces_;           ///< [threads, 2, piece_size]: products that something is done with
  std::size_t state_floats_ = 0;      ///< of a tile's attention after some positions
  std::size_t scratch_floats_ = 0;    ///< of a thread's attention
  std::span<float> states_;           ///< [threads or kv_heads · chunks, state_floats]
  std::span<float> scratch_;          ///< [threads, scratch_floats]
  std::unique_ptr<std::atomic<std::uint32_t>[]> chunks_left_;  ///< [kv_heads]
  InputObserver observer_;                                     ///< empty: nobody looks
  std::unique_ptr<HeadScreen> screen_;                         ///< null: every logit is computed
};

}  // namespace sterna
