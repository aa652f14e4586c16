// A model on disk, whatever its format: configuration, tokenizer, and for every weight where its bytes are
// and what they mean. Everything is checked here; what follows (loading, converting, inspecting) can rely on
// it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "format/container.hpp"
#include "format/gguf/gguf.hpp"
#include "model/architecture.hpp"
#include "packing/registry.hpp"
#include "sterna/model.hpp"
#include "tokenizer/spec.hpp"

namespace sterna {

/// What the bytes of a linear layer's weight mean.
enum class WeightEncoding : std::uint8_t {
  Dense,     ///< float or block-quantised values; the layer's input stays float
  Ternary,   ///< one of the packings
  HfPacked,  ///< Hugging Face's uint8: four output rows in a byte (packing/hf_u8.hpp)
  Master,    ///< float master weights, quantised by absmean when loaded
};

/// y = W · quantise(norm(x)) (+ bias), W [rows, cols].
struct LinearSource {
  std::string name;  ///< canonical, without suffix: "blk.0.attn_q"
  const StoredTensor* weight = nullptr;
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  WeightEncoding encoding = WeightEncoding::Dense;
  float scale = 1.0f;  ///< multiplies the product; HfPacked: the stored scale's meaning resolved
  const StoredTensor* bias = nullptr;        ///< [rows]
  const StoredTensor* input_norm = nullptr;  ///< [cols]: an RMSNorm inside the layer
  float input_norm_eps = 0;
  std::uint32_t interleaved_heads =
      0;  ///< > 0: rows of each of so many heads are stored interleaved (GGUF llama Q, K)
};

struct LayerSource {
  const StoredTensor* attention_norm = nullptr;
  LinearSource query, key, value;
  const StoredTensor* attention_sub_norm = nullptr;  ///< null without sub-norms
  LinearSource attention_output;
  const StoredTensor* ffn_norm = nullptr;
  LinearSource gate, up;
  const StoredTensor* ffn_sub_norm = nullptr;
  LinearSource down;
};

struct Checkpoint {
  std::filesystem::path path;
  const Architecture* architecture = nullptr;
  ModelConfig config;
  std::optional<TokenizerSpec> tokenizer;
  Model::GenerationDefaults generation;
  gguf::Metadata about;  ///< `general.*` of a GGUF file that says what the model is: name, licence, source
  Container container;
  UnpackOptions unpack;

  const StoredTensor* embedding = nullptr;
  const StoredTensor* output_norm = nullptr;
  LinearSource head;  ///< the embedding again when tied
  std::vector<LayerSource> layers;
};

struct CheckpointOptions {
  MapOptions map;
  std::uint32_t i2s_group = 0;  ///< 0 decides from evidence
};

/// Opens a GGUF file or a Hugging Face folder. Throws Io, Format, Unsupported; Mismatch lists every missing,
/// unexpected or misshapen tensor at once.
Checkpoint open_checkpoint(const std::filesystem::path& path, const CheckpointOptions& options = {});

/// Calls visit(linear) for the seven linear layers of every block, in file order.
template <class Visit>
void for_each_linear(const LayerSource& layer, Visit&& visit) {
  for (const LinearSource* linear :
       {&layer.query, &layer.key, &layer.value, &layer.attention_output, &layer.gate, &layer.up, &layer.down})
    visit(*linear);
}

/// Where row `row` of the model's order lies in the file's.
std::uint64_t stored_row(const LinearSource& source, std::uint64_t row) noexcept;

/// A vector tensor as float32.
std::vector<float> read_vector(const StoredTensor& tensor);

}  // namespace sterna
