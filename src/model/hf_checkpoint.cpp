#include "model/hf_checkpoint.hpp"

#include <cmath>

#include "base/checked.hpp"
#include "format/safetensors/safetensors.hpp"
#include "model/hf_config.hpp"
#include "model/weight_collector.hpp"
#include "sterna/error.hpp"

namespace sterna::hf {
namespace {

using Mode = Quantisation::Mode;

bool names_module(const std::string& listed, const std::string& module) {
  return module == listed || module.starts_with(listed + ".") || module.ends_with("." + listed);
}

/// Reads the weights of one folder by Hugging Face's names.
class Reader {
 public:
  Reader(const Config& config, WeightCollector& collector) : config_(config), collector_(collector) {}

  const StoredTensor* norm(WeightId id, std::uint32_t layer, std::uint64_t n) {
    return collector_.vector(hf_name(*config_.architecture, id, layer) + ".weight", n);
  }

  LinearSource linear(WeightId id, std::uint32_t layer, std::uint64_t rows, std::uint64_t cols, bool bias) {
    const auto module = hf_name(*config_.architecture, id, layer);
    LinearSource source;
    source.name = gguf_name(*config_.architecture, id, layer);
    source.rows = rows;
    source.cols = cols;
    source.bias = collector_.vector(module + ".bias", rows, bias);
    source.weight = collector_.require(module + ".weight");
    source.encoding = encoding_of(module);
    if (!source.weight) return source;

    const auto scale_name = module + ".weight_scale";
    if (source.encoding == WeightEncoding::HfPacked) {
      if (source.weight->dtype != DType::U8) {
        collector_.fault(source.weight->name, std::string(name(source.weight->dtype)),
                         "u8: packed ternary weights");
      }
      collector_.check_shape(*source.weight, {ceil_div<std::uint64_t>(rows, 4), cols});
      source.scale = scale_of(scale_name);
    } else {
      if (source.weight->dtype == DType::U8) {
        collector_.fault(source.weight->name, "u8",
                         "a float type: the configuration explains no packed weight here");
      } else {
        collector_.check_float(*source.weight);
        collector_.check_shape(*source.weight, {rows, cols});
      }
    }
    if (source.encoding != WeightEncoding::Dense && config_.quantisation.norm_inside) {
      source.input_norm = collector_.vector(module + ".rms_norm.weight", cols);
      source.input_norm_eps = config_.quantisation.norm_eps;
    }
    return source;
  }

 private:
  WeightEncoding encoding_of(const std::string& module) const {
    if (config_.quantisation.mode == Mode::None) return WeightEncoding::Dense;
    for (const auto& listed : config_.quantisation.dense_modules) {
      if (names_module(listed, module)) return WeightEncoding::Dense;
    }
    return config_.quantisation.mode == Mode::Online ? WeightEncoding::Master : WeightEncoding::HfPacked;
  }

  /// The factor of the product that the stored scale stands for.
  float scale_of(const std::string& scale_name) {
    const StoredTensor* tensor = collector_.require(scale_name);
    if (!tensor || !collector_.check_float(*tensor)) return 1;
    if (tensor->rows() * tensor->cols() != 1) {
      collector_.fault(scale_name, shape_text(tensor->shape), "one value");
      return 1;
    }
    const float stored = read_vector(*tensor)[0];
    const float factor = config_.quantisation.divides ? 1 / stored : stored;
    if (!std::isfinite(stored) || !std::isfinite(factor)) {
      collector_.fault(scale_name, std::to_string(stored), "a finite scale");
      return 1;
    }
    return factor;
  }

  const Config& config_;
  WeightCollector& collector_;
};

bool ignorable(const std::string& name) {
  // Buffers that old checkpoints carry and every implementation computes for itself.
  return name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".attention.masked_bias");
}

void read_token_ids(const nlohmann::json& object, const std::string& file, TokenizerSpec& spec) {
  const JsonReader json(object, file);
  const auto id_of = [&](std::string_view key, const nlohmann::json& value) -> TokenId {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= spec.tokens.size())
      json.fail(key, "a token id of the vocabulary");
    return static_cast<TokenId>(value.get<std::uint64_t>());
  };
  if (const auto* bos = json.find("bos_token_id"); bos && !spec.bos) spec.bos = id_of("bos_token_id", *bos);
  const auto* eos = json.find("eos_token_id");
  if (!eos) return;
  // A list means: any of them ends the text. The first is the end of a text, the next the end of a turn.
  if (eos->is_array()) {
    for (const auto& item : *eos) {
      const TokenId id = id_of("eos_token_id", item);
      if (!spec.eos) {
        spec.eos = id;
      } else if (id != *spec.eos && !spec.eot) {
        spec.eot = id;
      }
    }
  } else if (!spec.eos) {
    spec.eos = id_of("eos_token_id", *eos);
  }
}

void read_generation(const std::filesystem::path& path, Checkpoint& checkpoint) {
  const auto object = read_json_file(path.string());
  const JsonReader json(object, path.string());
  const auto as_float = [&](std::string_view key) -> std::optional<float> {
    const auto value = json.number_of(key);
    return value ? std::optional(static_cast<float>(*value)) : std::nullopt;
  };
  checkpoint.generation.temperature = as_float("temperature");
  checkpoint.generation.top_p = as_float("top_p");
  checkpoint.generation.repeat_penalty = as_float("repetition_penalty");
  if (const auto k = json.u32_of("top_k")) checkpoint.generation.top_k = checked_cast<std::int32_t>(*k);
  checkpoint.generation.sample = json.bool_of("do_sample");
  if (checkpoint.tokenizer) read_token_ids(object, path.string(), *checkpoint.tokenizer);
}

void read_tokenizer(const std::filesystem::path& folder, const nlohmann::json& config,
                    Checkpoint& checkpoint) {
  if (std::filesystem::exists(folder / "tokenizer.json") ||
      std::filesystem::exists(folder / "tokenizer.model")) {
    checkpoint.tokenizer = read_tokenizer_folder(folder);
  }
  // generation_config.json knows the ids that end a text better than config.json.
  if (std::filesystem::exists(folder / "generation_config.json")) {
    read_generation(folder / "generation_config.json", checkpoint);
  }
  if (checkpoint.tokenizer) read_token_ids(config, (folder / "config.json").string(), *checkpoint.tokenizer);
}

}  // namespace

Checkpoint open(const std::filesystem::path& folder, const CheckpointOptions& options) {
  Checkpoint checkpoint;
  checkpoint.path = folder;
  const auto config_file = (folder / "config.json").string();
  const auto json = read_json_file(config_file);
  const Config config = read_config(json, config_file);
  checkpoint.architecture = config.architecture;
  checkpoint.config = config.model;
  checkpoint.container = safetensors::read_folder(folder, options.map);
  read_tokenizer(folder, json, checkpoint);

  const ModelConfig& model = checkpoint.config;
  const auto query = static_cast<std::uint64_t>(model.heads) * model.head_dim;
  const auto kv = static_cast<std::uint64_t>(model.kv_heads) * model.head_dim;
  WeightCollector collector(checkpoint.container, folder.string());
  Reader reader(config, collector);

  const auto embedding_name = hf_name(*config.architecture, WeightId::TokenEmbedding) + ".weight";
  checkpoint.embedding = collector.require(embedding_name);
  if (checkpoint.embedding) {
    collector.check_float(*checkpoint.embedding);
    collector.check_shape(*checkpoint.embedding, {model.vocab, model.hidden});
  }
  checkpoint.output_norm = reader.norm(WeightId::OutputNorm, 0, model.hidden);
  checkpoint.head.name = gguf_name(*config.architecture, WeightId::Output);
  checkpoint.head.rows = model.vocab;
  checkpoint.head.cols = model.hidden;
  if (model.tied_embeddings) {
    collector.optional(
        "lm_head.weight");  // some checkpoints keep a copy; the configuration says it is the embedding
    checkpoint.head.weight = checkpoint.embedding;
  } else {
    checkpoint.head.bias = collector.vector("lm_head.bias", model.vocab, false);
    checkpoint.head.weight = collector.require("lm_head.weight");
    if (checkpoint.head.weight) {
      collector.check_float(*checkpoint.head.weight);
      collector.check_shape(*checkpoint.head.weight, {model.vocab, model.hidden});
    }
  }
  for (std::uint32_t n = 0; n < model.layers; ++n) {
    LayerSource layer;
    layer.attention_norm = reader.norm(WeightId::AttentionNorm, n, model.hidden);
    layer.query = reader.linear(WeightId::Query, n, query, model.hidden, config.attention_bias);
    layer.key = reader.linear(WeightId::Key, n, kv, model.hidden, config.attention_bias);
    layer.value = reader.linear(WeightId::Value, n, kv, model.hidden, config.attention_bias);
    if (model.sub_norms) layer.attention_sub_norm = reader.norm(WeightId::AttentionSubNorm, n, query);
    layer.attention_output =
        reader.linear(WeightId::AttentionOutput, n, model.hidden, query, config.attention_bias);
    layer.ffn_norm = reader.norm(WeightId::FfnNorm, n, model.hidden);
    layer.gate = reader.linear(WeightId::Gate, n, model.ffn, model.hidden, config.mlp_bias);
    layer.up = reader.linear(WeightId::Up, n, model.ffn, model.hidden, config.mlp_bias);
    if (model.sub_norms) layer.ffn_sub_norm = reader.norm(WeightId::FfnSubNorm, n, model.ffn);
    layer.down = reader.linear(WeightId::Down, n, model.hidden, model.ffn, config.mlp_bias);
    checkpoint.layers.push_back(std::move(layer));
  }
  collector.finish(ignorable);
  return checkpoint;
}

}  // namespace sterna::hf
