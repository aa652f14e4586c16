#include "model/gguf_checkpoint.hpp"

#include <algorithm>
#include <cmath>

#include "base/log.hpp"
#include "model/validate_config.hpp"
#include "model/weight_collector.hpp"
#include "sterna/error.hpp"
#include "tensor/dequantize.hpp"

namespace sterna::gguf_model {
namespace {

class Reader {
 public:
  Reader(const Architecture& architecture, const ModelConfig& config, WeightCollector& collector,
         float input_norm_eps)
      : architecture_(architecture),
        config_(config),
        collector_(collector),
        input_norm_eps_(input_norm_eps) {}

  const StoredTensor* norm(WeightId id, std::uint32_t layer, std::uint64_t n) {
    return collector_.vector(gguf_name(architecture_, id, layer) + ".weight", n);
  }

  LinearSource linear(WeightId id, std::uint32_t layer, std::uint64_t rows, std::uint64_t cols) {
    LinearSource source;
    source.name = gguf_name(architecture_, id, layer);
    source.rows = rows;
    source.cols = cols;
    source.bias = collector_.vector(source.name + ".bias", rows, false);
    source.input_norm = collector_.vector(source.name + ".input_norm.weight", cols, false);
    source.input_norm_eps = input_norm_eps_;
    if (architecture_.gguf_permutes_qk && (id == WeightId::Query || id == WeightId::Key)) {
      source.interleaved_heads = id == WeightId::Query ? config_.heads : config_.kv_heads;
    }
    if (const StoredTensor* scale = collector_.optional(source.name + ".scale"))
      source.scale = scalar(*scale);
    source.weight = collector_.require(source.name + ".weight");
    if (!source.weight) return source;
    collector_.check_shape(*source.weight, {rows, cols});
    switch (info(source.weight->dtype).kind) {
      case DTypeKind::Ternary:
        source.encoding = WeightEncoding::Ternary;
        break;
      case DTypeKind::Float:
      case DTypeKind::Block:
        source.encoding = WeightEncoding::Dense;
        break;
      case DTypeKind::Integer:
      case DTypeKind::Packed:
        collector_.check_float(*source.weight);
        break;
    }
    return source;
  }

 private:
  float scalar(const StoredTensor& tensor) {
    if (!collector_.check_float(tensor)) return 1;
    if (tensor.rows() * tensor.cols() != 1) {
      collector_.fault(tensor.name, shape_text(tensor.shape), "one value");
      return 1;
    }
    const float value = read_vector(tensor)[0];
    if (!std::isfinite(value)) collector_.fault(tensor.name, std::to_string(value), "a finite scale");
    return value;
  }

  const Architecture& architecture_;
  const ModelConfig& config_;
  WeightCollector& collector_;
  float input_norm_eps_;
};

const Architecture& architecture_of(const gguf::Metadata& metadata, const std::string& file) {
  const auto name = metadata.string_of("general.architecture");
  const Architecture* architecture = name ? architecture_of_gguf(*name) : nullptr;
  if (!architecture) {
    throw Error(ErrorCategory::Unsupported, "model architecture not implemented",
                {{"file", file},
                 {"key", "general.architecture"},
                 {"found", name ? std::string(*name) : "nothing"},
                 {"expected", known_architectures()}});
  }
  return *architecture;
}

bool has_i2s(const Container& container) {
  for (const StoredTensor& tensor : container.tensors()) {
    if (tensor.dtype == DType::I2_S) return true;
  }
  return false;
}

std::uint32_t i2s_group_of(const gguf::File& file, std::uint32_t asked, const std::string& path) {
  if (!has_i2s(file.container)) return 128;
  if (asked != 0) {
    if (asked != 64 && asked != 128) {
      throw Error(ErrorCategory::InvalidArgument, "no such I2_S group size",
                  {{"found", std::to_string(asked)}, {"expected", "64 or 128"}});
    }
    return asked;
  }
  const auto evidence = gguf::detect_i2s_group(file);
  if (!evidence) {
    throw Error(ErrorCategory::Unsupported,
                "the file does not tell whether its I2_S weights lie in groups of 128 (written on x86) or 64 "
                "(written on ARM); say "
                "--i2s-group 128 or --i2s-group 64",
                {{"file", path}});
  }
  return *evidence;
}

/// What other programs wrote about the model, without what describes the file's own layout.
gguf::Metadata about_of(const gguf::Metadata& metadata) {
  static constexpr std::string_view kOfTheLayout[] = {"general.architecture", "general.alignment",
                                                      "general.file_type", "general.quantization_version"};
  gguf::Metadata about;
  for (const auto& [key, value] : metadata.entries()) {
    if (key.starts_with("general.") && std::ranges::count(kOfTheLayout, key) == 0) about.set(key, value);
  }
  return about;
}

bool ignorable(const std::string&) {
  return false;
}

}  // namespace

Checkpoint open(const std::filesystem::path& path, const CheckpointOptions& options) try {
  Checkpoint checkpoint;
  checkpoint.path = path;
  gguf::File file = gguf::read(path, {.map = options.map});
  const auto where = path.string();
  const Architecture& architecture = architecture_of(file.metadata, where);
  checkpoint.architecture = &architecture;
  checkpoint.config = read_config(file.metadata, architecture, where);
  checkpoint.tokenizer = read_tokenizer(file.metadata, where);
  checkpoint.unpack.i2s_group = i2s_group_of(file, options.i2s_group, where);
  const auto linear_eps = static_cast<float>(file.metadata.float_of(kLinearNormEpsilonKey).value_or(1e-6));
  checkpoint.about = about_of(file.metadata);
  checkpoint.container = std::move(file.container);

  ModelConfig& config = checkpoint.config;
  WeightCollector collector(checkpoint.container, where);
  Reader reader(architecture, config, collector, linear_eps);
  checkpoint.embedding = collector.require("token_embd.weight");
  if (checkpoint.embedding) {
    collector.check_float(*checkpoint.embedding);
    config.vocab = static_cast<std::uint32_t>(checkpoint.embedding->shape.front());
    collector.check_shape(*checkpoint.embedding, {config.vocab, config.hidden});
  }
  if (const auto* factors = collector.vector("rope_freqs.weight", config.rope.dimensions / 2, false)) {
    config.rope.frequency_factors = read_vector(*factors);
  }
  if (config.vocab == 0) collector.finish(ignorable);  // without an embedding: names what is missing
  validate_config(config, where);

  const auto query = static_cast<std::uint64_t>(config.heads) * config.head_dim;
  const auto kv = static_cast<std::uint64_t>(config.kv_heads) * config.head_dim;
  checkpoint.output_norm = reader.norm(WeightId::OutputNorm, 0, config.hidden);
  checkpoint.head.name = "output";
  checkpoint.head.rows = config.vocab;
  checkpoint.head.cols = config.hidden;
  checkpoint.head.weight = collector.optional("output.weight");
  checkpoint.head.bias = collector.vector("output.bias", config.vocab, false);
  config.tied_embeddings = checkpoint.head.weight == nullptr;
  if (checkpoint.head.weight) {
    collector.check_float(*checkpoint.head.weight);
    collector.check_shape(*checkpoint.head.weight, {config.vocab, config.hidden});
  } else {
    checkpoint.head.weight = checkpoint.embedding;
  }
  for (std::uint32_t n = 0; n < config.layers; ++n) {
    LayerSource layer;
    layer.attention_norm = reader.norm(WeightId::AttentionNorm, n, config.hidden);
    layer.query = reader.linear(WeightId::Query, n, query, config.hidden);
    layer.key = reader.linear(WeightId::Key, n, kv, config.hidden);
    layer.value = reader.linear(WeightId::Value, n, kv, config.hidden);
    if (config.sub_norms) layer.attention_sub_norm = reader.norm(WeightId::AttentionSubNorm, n, query);
    layer.attention_output = reader.linear(WeightId::AttentionOutput, n, config.hidden, query);
    layer.ffn_norm = reader.norm(WeightId::FfnNorm, n, config.hidden);
    layer.gate = reader.linear(WeightId::Gate, n, config.ffn, config.hidden);
    layer.up = reader.linear(WeightId::Up, n, config.ffn, config.hidden);
    if (config.sub_norms) layer.ffn_sub_norm = reader.norm(WeightId::FfnSubNorm, n, config.ffn);
    layer.down = reader.linear(WeightId::Down, n, config.hidden, config.ffn);
    checkpoint.layers.push_back(std::move(layer));
  }
  collector.finish(ignorable);
  return checkpoint;
} catch (const Error& error) {
  throw error.with("file", path.string());  // typed reads of metadata know the key, not the file
}

}  // namespace sterna::gguf_model
