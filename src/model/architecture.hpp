// The model architectures, one row each. All are pre-norm decoder-only transformers with rotary positions and
// grouped-query attention; a row says what is particular, and how each file format spells the tensors.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "sterna/model.hpp"

namespace sterna {

/// The weights of a model by what they are; `blk.N.` tensors exist per layer.
enum class WeightId : std::uint8_t {
  TokenEmbedding,
  OutputNorm,
  Output,
  RopeFrequencies,
  AttentionNorm,
  Query,
  Key,
  Value,
  AttentionSubNorm,
  AttentionOutput,
  FfnNorm,
  Gate,
  Up,
  FfnSubNorm,
  Down,
};

/// How a weight is spelled: GGUF's name is the canonical one. `{}` stands for the layer's number.
struct WeightName {
  WeightId id;
  std::string_view gguf;  ///< without ".weight" / ".bias"
  std::string_view hf;    ///< the same; empty when Hugging Face checkpoints have none
};

struct Architecture {
  std::string_view name;                           ///< `general.architecture`, written by `convert`
  std::span<const std::string_view> gguf_aliases;  ///< other values of it with the same meaning
  std::span<const std::string_view> hf_classes;    ///< `architectures[0]` of config.json
  Activation default_activation;                   ///< GGUF metadata does not say it
  bool sub_norms;
  bool gguf_permutes_qk;     ///< GGUF stores Q and K rows interleaved for the other RoPE order
  bool hf_always_quantised;  ///< dense weights are master weights even when config.json says nothing of
                             ///< quantisation
  std::span<const WeightName> names;
};

/// bitnet-b1.58, bitnet, llama.
std::span<const Architecture* const> architectures() noexcept;

/// Null when no row has the name.
const Architecture* architecture_of_gguf(std::string_view name) noexcept;
const Architecture* architecture_of_hf(std::string_view hf_class) noexcept;
/// "bitnet-b1.58, bitnet, llama", for messages.
std::string known_architectures();

/// The canonical tensor name without suffix: "blk.3.attn_q".
std::string gguf_name(const Architecture& architecture, WeightId id, std::uint32_t layer = 0);
std::string hf_name(const Architecture& architecture, WeightId id, std::uint32_t layer = 0);

}  // namespace sterna
