#include "model/forward.hpp"

#include <algorithm>
#include <cmath>

#include "backend/product_pieces.hpp"
#include "base/checked.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

// Query rows that share the keys and values of a block: while it is used, 64 of 128 elements, their scores,
// the block in float32 and their results are 112 KB, inside the L2 cache.
constexpr std::size_t kAttentionRows = 64;

/// A piece with many tokens that suits every kernel.
PieceShape many_tokens_piece(const Dispatch& dispatch) {
  PieceShape piece{.rows = 0};
  for (const TernaryKernel* kernel : dispatch.of(kFewTokens + 1).ternary) {
    if (!kernel) continue;
    piece.rows = std::max(piece.rows, kernel->many_tokens.rows);
    piece.activation_bytes = std::min(piece.activation_bytes, kernel->many_tokens.activation_bytes);
  }
  return piece.rows > 0 ? piece : PieceShape{};
}

/// The columns of the widest matrix whose kernel takes activations in 16 bits, or 0.
std::size_t widest_codes16(const Weights& weights) {
  std::size_t widest = 0;
  const auto see = [&](const Linear& linear) {
    if (takes_codes16(linear.matrix.dtype)) widest = std::max<std::size_t>(widest, linear.matrix.cols);
  };
  for (const Layer& layer : weights.layers) {
    for (const Linear* linear : {&layer.query, &layer.key, &layer.value, &layer.attention_output, &layer.gate,
                                 &layer.up, &layer.down}) {
      see(*linear);
    }
  }
  see(weights.head);
  return widest;
}

}  // namespace

Forward::Forward(const ModelConfig& config, const Weights& weights, const Dispatch& dispatch,
                 ThreadPool& pool, const ForwardOptions& options)
    : config_(config),
      weights_(weights),
      dispatch_(dispatch),
      pool_(pool),
      rope_(config.rope),
      cache_type_(options.kv),
      cache_(config, options.context, options.kv),
      query_size_(std::size_t{config.heads} * config.head_dim),
      kv_size_(std::size_t{config.kv_heads} * config.head_dim),
      group_(config.heads / config.kv_heads),
      tile_tokens_(std::clamp<std::size_t>(kAttentionRows / group_, 1, options.batch)),
      widest_(std::max({std::size_t{config.hidden}, std::size_t{config.ffn}, query_size_})),
      padded_(round_up(widest_, kActivationPadding)),
      widest16_(widest_codes16(weights)),
      many_tokens_piece_(many_tokens_piece(dispatch)),
      piece_size_(ProductPieces::most(options.batch, many_tokens_piece_.rows)) {
  const std::size_t batch = options.batch;
  const std::size_t threads = pool.size();
  arena_ = Arena::sized_by([&](Arena& arena) {
    x_ = arena.array<float>(batch * config.hidden);
    input_ = arena.array<float>(batch * widest_);
    row_ = arena.array<float>(threads * widest_);
    codes_ = arena.array<std::int8_t>(batch * padded_);
    code_scales_ = arena.array<float>(batch);
    code_sums_ = arena.array<std::int32_t>(batch);
    codes16_ = arena.array<std::int16_t>(batch * widest16_);
    code16_scales_ = arena.array<float>(batch);
    arena.take_turns(
        [&](Arena& attention) {
          query_ = attention.array<float>(batch * query_size_);
          key_ = attention.array<float>(batch * kv_size_);
          value_ = attention.array<float>(batch * kv_size_);
          attended_ = attention.array<float>(batch * query_size_);
        },
        [&](Arena& ffn) { gated_ = ffn.array<float>(batch * config.ffn); });
    final_ = arena.array<float>(batch * config.hidden);
    cosines_ = arena.array<float>(batch * rope_.size());
    sines_ = arena.array<float>(batch * rope_.size());
    rotated_ = arena.array<float>(threads * group_ * config.head_dim);
    sums_ = arena.array<std::int32_t>(threads * piece_size_);
    pieces_ = arena.array<float>(threads * 2 * piece_size_);
    const std::size_t rows = tile_tokens_ * group_;
    const std::size_t chunks = ceil_div<std::size_t>(options.context, kKvChunk);
    state_floats_ = attention_state_floats(rows, cache_.layout().width);
    scratch_floats_ = round_up<std::size_t>(attention_scratch_floats(rows, cache_.layout().width), 16);
    states_ =
        arena.array<float>(state_floats_ * std::max(threads, threads > 1 ? chunks * config.kv_heads : 0));
    scratch_ = arena.array<float>(scratch_floats_ * threads);
  });
  chunks_left_ = std::make_unique<std::atomic<std::uint32_t>[]>(config.kv_heads);
  if (weights.coarse_head)
    screen_ = std::make_unique<HeadScreen>(weights.coarse_head, weights.head.matrix.stride);
}

bool Forward::run(std::span<const std::int32_t> tokens, std::uint32_t position,
                  const std::atomic<bool>& cancelled) {
  start(tokens.size());
  embed(tokens, x_);
  if (!go_through(0, weights_.layers.size(), position, cancelled)) return false;
  normalise_final();
  return true;
}

bool Forward::run_blocks(std::size_t first, std::size_t last, std::span<float> stream, std::uint32_t position,
                         const std::atomic<bool>& cancelled) {
  start(stream.size() / config_.hidden);
  std::ranges::copy(stream, x_.begin());
  if (!go_through(first, last, position, cancelled)) return false;
  std::ranges::copy(x_.first(stream.size()), stream.begin());
  return true;
}

bool Forward::run_from(std::size_t first, std::span<const float> stream, std::uint32_t position,
                       const std::atomic<bool>& cancelled) {
  start(stream.size() / config_.hidden);
  std::ranges::copy(stream, x_.begin());
  if (!go_through(first, weights_.layers.size(), position, cancelled)) return false;
  normalise_final();
  return true;
}

void Forward::start(std::size_t tokens) {
  tokens_ = tokens;
  kernels_ = &dispatch_.of(tokens);
}

/// Blocks [first, last) on the stream in x_.
bool Forward::go_through(std::size_t first, std::size_t last, std::uint32_t position,
                         const std::atomic<bool>& cancelled) {
  for_each(tokens_, [&](std::size_t t, unsigned) {
    const auto at = static_cast<std::uint32_t>(position + t);
    rope_.at(at, cosines_.data() + t * rope_.size(), sines_.data() + t * rope_.size());
  });
  for (std::size_t n = first; n < last; ++n) {
    if (cancelled.load(std::memory_order_relaxed)) return false;
    attention_block(weights_.layers[n], n, position);
    ffn_block(weights_.layers[n], n);
  }
  return true;
}

void Forward::normalise_final() {
  for_each(tokens_, [&](std::size_t t, unsigned) {
    kernels_->floats.rms_norm(x_.data() + t * config_.hidden, weights_.output_norm.data(), config_.norm_eps,
                              config_.hidden, final_.data() + t * config_.hidden);
  });
}

std::span<const float> Forward::hidden(std::size_t index) const noexcept {
  return final_.subspan(index * config_.hidden, config_.hidden);
}

void Forward::embed(std::span<const std::int32_t> tokens, std::span<float> stream) {
  const Matrix& embedding = weights_.embedding;
  for_each(tokens.size(), [&](std::size_t t, unsigned) {
    dequantize_row(embedding.dtype, embedding.data + static_cast<std::size_t>(tokens[t]) * embedding.stride,
                   embedding.cols, stream.data() + t * config_.hidden);
  });
}

void Forward::attention_block(const Layer& layer, std::size_t index, std::uint32_t position) {
  multiply(
      {x_.data(), config_.hidden, layer.attention_norm},
      std::array{Product{&layer.query, query_.data(), query_size_},
                 Product{&layer.key, key_.data(), kv_size_}, Product{&layer.value, value_.data(), kv_size_}});
  if (tokens_ > 1) append_tokens(index, position);
  attend(index, position, layer.attention_output);
  multiply_and_add({attended_.data(), query_size_, layer.attention_sub_norm}, layer.attention_output,
                   {&layer.gate.matrix});
}

void Forward::ffn_block(const Layer& layer, std::size_t index) {
  multiply_gated({x_.data(), config_.hidden, layer.ffn_norm}, layer.gate, layer.up, layer.down);
  const Input input{gated_.data(), config_.ffn, layer.ffn_sub_norm};
  if (index + 1 == weights_.layers.size()) {
    return multiply_and_add(input, layer.down, {&weights_.head.matrix});
  }
  const Layer& next = weights_.layers[index + 1];
  multiply_and_add(input, layer.down, {&next.query.matrix, &next.key.matrix, &next.value.matrix});
}

/// Rotates `count` heads beside each other by the angles of a token.
void Forward::rotate(float* heads, std::size_t count, std::size_t token) {
  const std::size_t angles = token * rope_.size();
  for (std::size_t head = 0; head < count; ++head) {
    kernels_->floats.rope(heads + head * config_.head_dim, cosines_.data() + angles, sines_.data() + angles,
                          config_.head_dim);
  }
}

/// Rotates a token's key and puts it and the value into the cache.
void Forward::append(std::size_t layer, std::size_t head, std::uint32_t position, std::size_t token) {
  const auto append = cache_type_ == KvType::F16  ? kernels_->floats.kv_append_f16
                      : cache_type_ == KvType::I8 ? kernels_->floats.kv_append_i8
                                                  : kernels_->floats.kv_append_f32;
  const std::size_t at = token * kv_size_ + head * config_.head_dim;
  rotate(key_.data() + at, 1, token);
  append({.key = key_.data() + at,
          .value = value_.data() + at,
          .head_dim = config_.head_dim,
          .block = cache_.block(layer, head, position + token),
          .layout = cache_.layout(),
          .slot = (position + token) % kKvBlock});
}

/// Queries, keys and values of all tokens, before any of them is attended to.
void Forward::append_tokens(std::size_t layer, std::uint32_t position) {
  for_each(tokens_, [&](std::size_t t, unsigned) {
    rotate(query_.data() + t * query_size_, config_.heads, t);
    for (std::size_t head = 0; head < config_.kv_heads; ++head) append(layer, head, position, t);
  });
}

void Forward::attend(std::size_t layer, std::uint32_t position, const Linear& next) {
  const std::size_t d = config_.head_dim;
  const std::size_t width = cache_.layout().width;
  const std::size_t tiles = ceil_div(tokens_, tile_tokens_);
  const std::size_t chunks = ceil_div(position + tokens_, kKvChunk);
  const auto attention = cache_type_ == KvType::F16  ? kernels_->floats.attention_f16
                         : cache_type_ == KvType::I8 ? kernels_->floats.attention_i8
                                                     : kernels_->floats.attention_f32;
  // One tile does not occupy every thread: its chunks are dealt too, and who finishes the last of a head
  // merges them.
  const bool split = tiles == 1 && chunks > 1 && pool_.size() > 1;
  const std::size_t parts = split ? chunks : tiles;
  for (std::size_t head = 0; split && head < config_.kv_heads; ++head) {
    chunks_left_[head].store(static_cast<std::uint32_t>(chunks), std::memory_order_relaxed);
  }
  const auto work = [&](std::size_t item, unsigned thread) {
    const std::size_t head = item / parts;
    const std::size_t part = item % parts;
    // Late tiles see most and go first, so that no thread is left with a long one at the end.
    const std::size_t first = split ? 0 : (tiles - 1 - part) * tile_tokens_;
    const std::size_t count = std::min(tile_tokens_, tokens_ - first);
    const std::size_t offset = first * query_size_ + head * group_ * d;
    float* states = states_.data() + (split ? head * chunks : thread) * state_floats_;
    const float* query = query_.data() + offset;
    if (tokens_ == 1) {  // not before this region, on one thread: a new key is a cache line for each element
      const std::size_t size = group_ * d;
      float* rotated = rotated_.data() + thread * size;
      std::copy_n(query, size, rotated);
      rotate(rotated, group_, 0);
      query = rotated;
      if (part + 1 == parts) append(layer, head, position, 0);
    }
    attention({.query = query,
               .query_stride = query_size_,
               .tokens = count,
               .group = group_,
               .head_dim = d,
               .blocks = cache_.block(layer, head, 0),
               .block_stride = cache_.block_stride(),
               .layout = cache_.layout(),
               .position = position + first,
               .chunk_begin = split ? part : 0,
               .chunk_end = split ? part + 1 : ceil_div(position + first + count, kKvChunk),
               .scale = 1.0f / std::sqrt(static_cast<float>(d)),
               .state = split ? states + part * state_floats_ : states,
               .scratch = scratch_.data() + thread * scratch_floats_});
    if (split && chunks_left_[head].fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    kernels_->floats.attention_finish({.states = states,
                                       .stride = state_floats_,
                                       .count = split ? chunks : 1,
                                       .tokens = count,
                                       .group = group_,
                                       .head_dim = d,
                                       .width = width,
                                       .position = position + first,
                                       .out = attended_.data() + offset,
                                       .out_stride = query_size_});
  };
  const std::size_t items = config_.kv_heads * parts;
  if (!split) return pool_.deal(items, work, [&](unsigned t) { return first_weights({&next.matrix}, t); });
  for_each(items, work);  // chunks cost the same: neighbours to one thread, which reads them in one stream
}

/// work(item, thread) for every item, in equal shares; a single one on this thread, since waking others costs
/// more than a row.
void Forward::for_each(std::size_t items, FunctionRef<void(std::size_t item, unsigned thread)> work) {
  pool_.parallel_for(items, 1, [&](std::size_t begin, std::size_t end, unsigned thread) {
    for (std::size_t item = begin; item < end; ++item) work(item, thread);
  });
}

}  // namespace sterna
