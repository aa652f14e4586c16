// A Hugging Face folder with a float model of any small shape.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "format/safetensors/safetensors.hpp"
#include "sterna/random.hpp"
#include "sterna/tensor.hpp"

namespace sterna::testing {

inline constexpr const char* kLinears[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                           "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                           "mlp.down_proj"};

inline std::string layer_name(std::size_t layer, const std::string& part) {
  return "model.layers." + std::to_string(layer) + "." + part + ".weight";
}

/// Tensors of a checkpoint in float32, and its configuration.
struct FloatCheckpoint {
  nlohmann::json config;
  std::map<std::string, Tensor> tensors;

  void write(const std::filesystem::path& folder) const {
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "config.json") << config;
    std::vector<safetensors::OutTensor> out;
    for (const auto& [name, tensor] : tensors) {
      out.push_back(
          {name,
           DType::F32,
           {tensor.shape().begin(), tensor.shape().end()},
           std::as_bytes(std::span(tensor.data<float>(), static_cast<std::size_t>(tensor.size())))});
    }
    safetensors::write(folder / "model.safetensors", out);
  }
};

/// Two key and value heads of 16.
struct SmallShape {
  std::int64_t vocab = 64, hidden = 32, ffn = 48, heads = 4, layers = 2, context = 64;
  bool tied = true;
};

inline FloatCheckpoint small_checkpoint(const SmallShape& shape = {}) {
  constexpr std::int64_t kKvHeads = 2, kHeadDim = 16;
  FloatCheckpoint checkpoint;
  checkpoint.config = {{"model_type", "llama"},
                       {"architectures", {"LlamaForCausalLM"}},
                       {"hidden_act", "silu"},
                       {"hidden_size", shape.hidden},
                       {"intermediate_size", shape.ffn},
                       {"num_attention_heads", shape.heads},
                       {"num_key_value_heads", kKvHeads},
                       {"num_hidden_layers", shape.layers},
                       {"head_dim", kHeadDim},
                       {"vocab_size", shape.vocab},
                       {"max_position_embeddings", shape.context},
                       {"rms_norm_eps", 1e-5},
                       {"rope_theta", 10000.0},
                       {"tie_word_embeddings", shape.tied}};
  Random random(11);
  const auto matrix = [&](std::int64_t rows, std::int64_t cols) {
    return random.normal({rows, cols}, 0, 1 / std::sqrt(static_cast<double>(cols)));
  };
  checkpoint.tensors["model.embed_tokens.weight"] = random.normal({shape.vocab, shape.hidden});
  if (!shape.tied) checkpoint.tensors["lm_head.weight"] = matrix(shape.vocab, shape.hidden);
  checkpoint.tensors["model.norm.weight"] = Tensor::ones({shape.hidden}, DType::F32);
  const std::int64_t query = shape.heads * kHeadDim, kv = kKvHeads * kHeadDim;
  const std::pair<std::int64_t, std::int64_t> shapes[] = {
      {query, shape.hidden},     {kv, shape.hidden},        {kv, shape.hidden},       {shape.hidden, query},
      {shape.ffn, shape.hidden}, {shape.ffn, shape.hidden}, {shape.hidden, shape.ffn}};
  for (std::size_t layer = 0; layer < static_cast<std::size_t>(shape.layers); ++layer) {
    for (const char* norm : {"input_layernorm", "post_attention_layernorm"})
      checkpoint.tensors[layer_name(layer, norm)] = random.normal({shape.hidden}, 1, 0.1);
    for (std::size_t i = 0; i < std::size(kLinears); ++i)
      checkpoint.tensors[layer_name(layer, kLinears[i])] = matrix(shapes[i].first, shapes[i].second);
  }
  return checkpoint;
}

}  // namespace sterna::testing
