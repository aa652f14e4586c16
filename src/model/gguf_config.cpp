#include <cmath>

#include "base/checked.hpp"
#include "model/gguf_checkpoint.hpp"
#include "model/validate_config.hpp"
#include "sterna/error.hpp"

namespace sterna::gguf_model {
namespace {

struct ActivationName {
  Activation activation;
  std::string_view name;
};
constexpr ActivationName kActivations[] = {
    {Activation::Silu, "silu"}, {Activation::Relu2, "relu2"}, {Activation::Gelu, "gelu"}};

/// Reads keys with the architecture's prefix, as the file spells it.
class Keys {
 public:
  Keys(const gguf::Metadata& metadata, std::string file)
      : metadata_(metadata),
        file_(std::move(file)),
        prefix_(std::string(*metadata.string_of("general.architecture")) + ".") {}

  std::optional<std::uint32_t> u32(std::string_view key) const {
    const auto value = metadata_.unsigned_of(prefix_ + std::string(key));
    if (!value) return std::nullopt;
    const auto narrow = checked_cast<std::uint32_t>(*value);
    if (!narrow) fail(key, std::to_string(*value), "an integer below 2^32");
    return narrow;
  }

  std::uint32_t required_u32(std::string_view key) const {
    const auto value = u32(key);
    if (!value) fail(key, "nothing", "a non-negative integer");
    return *value;
  }

  /// A number for all layers, or a list with the same number for each.
  std::optional<std::uint32_t> u32_same_in_all_layers(std::string_view key) const {
    const auto* value = metadata_.find(prefix_ + std::string(key));
    if (!value || !std::holds_alternative<gguf::Array>(*value)) return u32(key);
    throw Error(ErrorCategory::Unsupported, "sizes that differ between layers are not implemented",
                {{"file", file_},
                 {"key", prefix_ + std::string(key)},
                 {"found", "a list"},
                 {"expected", "one number"}});
  }

  std::optional<double> number(std::string_view key) const {
    return metadata_.float_of(prefix_ + std::string(key));
  }
  std::optional<std::string_view> text(std::string_view key) const {
    return metadata_.string_of(prefix_ + std::string(key));
  }

  [[noreturn]] void fail(std::string_view key, const std::string& found, const std::string& expected) const {
    throw Error(
        ErrorCategory::Format, "wrong or missing metadata",
        {{"file", file_}, {"key", prefix_ + std::string(key)}, {"found", found}, {"expected", expected}});
  }

 private:
  const gguf::Metadata& metadata_;
  std::string file_;
  std::string prefix_;
};

}  // namespace

std::string_view to_string(Activation activation) noexcept {
  for (const auto& row : kActivations) {
    if (row.activation == activation) return row.name;
  }
  return "?";
}

ModelConfig read_config(const gguf::Metadata& metadata, const Architecture& architecture,
                        const std::string& file) {
  const Keys keys(metadata, file);
  ModelConfig config;
  config.architecture = architecture.name;
  config.name = metadata.string_of("general.name").value_or("");
  config.hidden = keys.required_u32("embedding_length");
  config.layers = keys.required_u32("block_count");
  const auto heads = keys.u32_same_in_all_layers("attention.head_count");
  if (!heads || *heads == 0) keys.fail("attention.head_count", heads ? "0" : "nothing", "a positive integer");
  config.heads = *heads;
  config.kv_heads = keys.u32_same_in_all_layers("attention.head_count_kv").value_or(config.heads);
  config.head_dim = keys.u32("attention.key_length").value_or(config.hidden / config.heads);
  if (const auto value_dim = keys.u32("attention.value_length"); value_dim && *value_dim != config.head_dim) {
    keys.fail("attention.value_length", std::to_string(*value_dim),
              "the key length, " + std::to_string(config.head_dim));
  }
  const auto ffn = keys.u32_same_in_all_layers("feed_forward_length");
  if (!ffn) keys.fail("feed_forward_length", "nothing", "a positive integer");
  config.ffn = *ffn;
  config.context = keys.required_u32("context_length");
  const auto eps = keys.number("attention.layer_norm_rms_epsilon");
  if (!eps) keys.fail("attention.layer_norm_rms_epsilon", "nothing", "a number");
  config.norm_eps = static_cast<float>(*eps);
  config.sub_norms = architecture.sub_norms;
  config.activation = architecture.default_activation;
  if (const auto activation = metadata.string_of(kActivationKey)) {
    bool known = false;
    for (const auto& row : kActivations) {
      if (row.name == *activation) config.activation = row.activation, known = true;
    }
    if (!known) {
      throw Error(
          ErrorCategory::Unsupported, "activation function not implemented",
          {{"file", file}, {"key", std::string(kActivationKey)}, {"found", std::string(*activation)}});
    }
  }
  if (const auto name = metadata.string_of(kKvTypeKey)) {
    config.kv = kv_type_from_name(*name);
    if (!config.kv) {
      throw Error(ErrorCategory::Unsupported, "unknown type of the key and value cache",
                  {{"file", file},
                   {"key", std::string(kKvTypeKey)},
                   {"found", std::string(*name)},
                   {"expected", "f32, f16 or int8"}});
    }
  }
  config.rope.theta = keys.number("rope.freq_base").value_or(10000.0);
  config.rope.dimensions = keys.u32("rope.dimension_count").value_or(config.head_dim);
  const auto scaling = keys.text("rope.scaling.type").value_or("none");
  if (scaling == "linear") {
    config.rope.linear_factor = keys.number("rope.scaling.factor").value_or(1.0);
  } else if (scaling != "none") {
    throw Error(ErrorCategory::Unsupported, "RoPE scaling not implemented",
                {{"file", file},
                 {"key", "rope.scaling.type"},
                 {"found", std::string(scaling)},
                 {"expected", "none or linear"}});
  }
  return config;
}

void write_config(const ModelConfig& config, const Architecture& architecture, gguf::Metadata& metadata) {
  metadata.set("general.architecture", gguf::Value(std::string(architecture.name)));
  const auto key = [&](std::string_view suffix) {
    return std::string(architecture.name) + "." + std::string(suffix);
  };
  const auto set_u32 = [&](std::string_view suffix, std::uint32_t value) {
    metadata.set(key(suffix), gguf::Value(value));
  };
  set_u32("vocab_size", config.vocab);
  set_u32("context_length", config.context);
  set_u32("embedding_length", config.hidden);
  set_u32("block_count", config.layers);
  set_u32("feed_forward_length", config.ffn);
  set_u32("attention.head_count", config.heads);
  set_u32("attention.head_count_kv", config.kv_heads);
  set_u32("attention.key_length", config.head_dim);
  set_u32("attention.value_length", config.head_dim);
  set_u32("rope.dimension_count", config.rope.dimensions);
  metadata.set(key("rope.freq_base"), gguf::Value(static_cast<float>(config.rope.theta)));
  metadata.set(key("attention.layer_norm_rms_epsilon"), gguf::Value(config.norm_eps));
  if (config.rope.linear_factor != 1.0) {
    metadata.set(key("rope.scaling.type"), gguf::Value(std::string("linear")));
    metadata.set(key("rope.scaling.factor"), gguf::Value(static_cast<float>(config.rope.linear_factor)));
  }
  if (config.activation != architecture.default_activation) {
    metadata.set(std::string(kActivationKey), gguf::Value(std::string(to_string(config.activation))));
  }
  if (config.kv) metadata.set(std::string(kKvTypeKey), gguf::Value(std::string(to_string(*config.kv))));
}

}  // namespace sterna::gguf_model
