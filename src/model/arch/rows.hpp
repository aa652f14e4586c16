// The rows of the architecture table, and the names that all of them share.
#pragma once

#include "model/architecture.hpp"

namespace sterna::arch {

extern const Architecture kBitnetB158;
extern const Architecture kBitnet;
extern const Architecture kLlama;

// A macro because a constexpr array cannot be spliced into another.
#define STERNA_LLAMA_NAMES                                                                          \
  {WeightId::TokenEmbedding, "token_embd", "model.embed_tokens"},                                   \
      {WeightId::OutputNorm, "output_norm", "model.norm"}, {WeightId::Output, "output", "lm_head"}, \
      {WeightId::RopeFrequencies, "rope_freqs", ""},                                                \
      {WeightId::AttentionNorm, "blk.{}.attn_norm", "model.layers.{}.input_layernorm"},             \
      {WeightId::Query, "blk.{}.attn_q", "model.layers.{}.self_attn.q_proj"},                       \
      {WeightId::Key, "blk.{}.attn_k", "model.layers.{}.self_attn.k_proj"},                         \
      {WeightId::Value, "blk.{}.attn_v", "model.layers.{}.self_attn.v_proj"},                       \
      {WeightId::AttentionOutput, "blk.{}.attn_output", "model.layers.{}.self_attn.o_proj"},        \
      {WeightId::FfnNorm, "blk.{}.ffn_norm", "model.layers.{}.post_attention_layernorm"},           \
      {WeightId::Gate, "blk.{}.ffn_gate", "model.layers.{}.mlp.gate_proj"},                         \
      {WeightId::Up, "blk.{}.ffn_up", "model.layers.{}.mlp.up_proj"}, {                             \
    WeightId::Down, "blk.{}.ffn_down", "model.layers.{}.mlp.down_proj"                              \
  }

}  // namespace sterna::arch
