#include "model/hf_config.hpp"

#include <cmath>
#include <numbers>

#include "model/validate_config.hpp"
#include "sterna/error.hpp"

namespace sterna::hf {
namespace {

std::string model_class(const JsonReader& json) {
  const nlohmann::json* classes = json.find("architectures");
  if (!classes || !classes->is_array() || classes->empty() || !classes->front().is_string()) {
    json.fail("architectures", "a list with the model's class");
  }
  return classes->front().get<std::string>();
}

Activation activation_of(const JsonReader& json, Activation fallback, const std::string& file) {
  const auto name = json.string_of("hidden_act");
  if (!name) return fallback;
  if (*name == "silu" || *name == "swish") return Activation::Silu;
  if (*name == "relu2") return Activation::Relu2;
  if (*name == "gelu_pytorch_tanh" || *name == "gelu_new") return Activation::Gelu;
  throw Error(ErrorCategory::Unsupported, "activation function not implemented",
              {{"file", file},
               {"key", "hidden_act"},
               {"found", *name},
               {"expected", "silu, relu2 or gelu_pytorch_tanh"}});
}

RopeConfig rope_of(const JsonReader& json, std::uint32_t head_dim, const std::string& file) {
  RopeConfig rope;
  rope.dimensions = head_dim;
  // transformers 5 writes one object; earlier versions a theta beside an optional scaling object.
  const auto parameters = json.object_of("rope_parameters");
  const auto scaling = parameters ? parameters : json.object_of("rope_scaling");
  rope.theta =
      parameters
          ? parameters->number_of("rope_theta").value_or(json.number_of("rope_theta").value_or(10000.0))
          : json.number_of("rope_theta").value_or(10000.0);
  if (const auto part = json.number_of("partial_rotary_factor"); part && *part != 1.0) {
    throw Error(ErrorCategory::Unsupported, "partial rotary embedding is not implemented",
                {{"file", file},
                 {"key", "partial_rotary_factor"},
                 {"found", std::to_string(*part)},
                 {"expected", "1"}});
  }
  if (!scaling) return rope;

  const auto type = scaling->string_of("rope_type").value_or(scaling->string_of("type").value_or("default"));
  if (type == "default") return rope;
  const auto required = [&](std::string_view key) {
    const auto value = scaling->number_of(key);
    if (!value || !(*value > 0)) scaling->fail(key, "a positive number");
    return *value;
  };
  if (type == "linear") {
    rope.linear_factor = required("factor");
  } else if (type == "llama3") {
    rope.frequency_factors =
        llama3_frequency_factors(rope, required("factor"), required("low_freq_factor"),
                                 required("high_freq_factor"), required("original_max_position_embeddings"));
  } else {
    throw Error(
        ErrorCategory::Unsupported, "RoPE scaling not implemented",
        {{"file", file}, {"key", "rope_type"}, {"found", type}, {"expected", "default, linear or llama3"}});
  }
  return rope;
}

Quantisation quantisation_of(const JsonReader& json, const Architecture& architecture,
                             const std::string& file) {
  Quantisation result;
  const auto config = json.object_of("quantization_config");
  if (!config) {
    if (architecture.hf_always_quantised) result.mode = Quantisation::Mode::Online;
    return result;
  }
  const auto unsupported = [&](std::string_view key, const std::string& found, std::string_view expected) {
    throw Error(ErrorCategory::Unsupported, "quantisation not implemented",
                {{"file", file},
                 {"key", "quantization_config." + std::string(key)},
                 {"found", found},
                 {"expected", std::string(expected)}});
  };
  const auto method = config->string_of("quant_method").value_or("bitnet");
  if (method != "bitnet") unsupported("quant_method", method, "bitnet");

  const auto linear_class = config->string_of("linear_class").value_or("bitlinear");
  const auto mode = config->string_of("quantization_mode").value_or("offline");
  if (linear_class != "bitlinear" && linear_class != "autobitlinear") {
    unsupported("linear_class", linear_class, "bitlinear or autobitlinear");
  }
  if (mode != "offline" && mode != "online") unsupported("quantization_mode", mode, "offline or online");
  result.mode = mode == "online" ? Quantisation::Mode::Online : Quantisation::Mode::Packed;
  result.divides = linear_class == "bitlinear";
  result.norm_inside = config->bool_of("use_rms_norm").value_or(false);
  result.norm_eps = static_cast<float>(config->number_of("rms_norm_eps").value_or(1e-6));
  if (const auto* modules = config->find("modules_to_not_convert")) {
    if (!modules->is_array()) config->fail("modules_to_not_convert", "a list of module names");
    for (const auto& module : *modules) {
      if (!module.is_string()) config->fail("modules_to_not_convert", "a list of module names");
      result.dense_modules.push_back(module.get<std::string>());
    }
  }
  return result;
}

}  // namespace

std::vector<float> llama3_frequency_factors(const RopeConfig& rope, double factor, double low, double high,
                                            double original_context) {
  std::vector<float> factors(rope.dimensions / 2);
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const double frequency = std::pow(rope.theta, -2.0 * static_cast<double>(i) / rope.dimensions);
    const double turns = original_context * frequency / (2 * std::numbers::pi);  // in the original context
    const double smooth = (turns - low) / (high - low);
    const double scaled = turns < low ? 1 / factor : turns > high ? 1 : (1 - smooth) / factor + smooth;
    factors[i] = static_cast<float>(1 / scaled);
  }
  return factors;
}

Config read_config(const nlohmann::json& object, const std::string& file) {
  const JsonReader json(object, file);
  Config config;
  const auto name = model_class(json);
  config.architecture = architecture_of_hf(name);
  if (!config.architecture) {
    throw Error(ErrorCategory::Unsupported, "model class not implemented",
                {{"file", file},
                 {"found", name},
                 {"expected", "BitNetForCausalLM, BitnetForCausalLM or LlamaForCausalLM"}});
  }
  ModelConfig& model = config.model;
  model.architecture = config.architecture->name;
  model.name = json.string_of("_name_or_path").value_or("");
  model.vocab = json.required_u32("vocab_size");
  model.hidden = json.required_u32("hidden_size");
  model.layers = json.required_u32("num_hidden_layers");
  model.heads = json.required_u32("num_attention_heads");
  model.kv_heads = json.u32_of("num_key_value_heads").value_or(model.heads);
  model.head_dim = json.u32_of("head_dim").value_or(model.heads ? model.hidden / model.heads : 0);
  model.ffn = json.required_u32("intermediate_size");
  model.context = json.u32_of("max_position_embeddings").value_or(2048);
  model.norm_eps = static_cast<float>(json.number_of("rms_norm_eps").value_or(1e-6));
  model.activation = activation_of(json, config.architecture->default_activation, file);
  model.sub_norms = config.architecture->sub_norms;
  model.tied_embeddings = json.bool_of("tie_word_embeddings").value_or(false);
  model.rope = rope_of(json, model.head_dim, file);
  validate_config(model, file);
  config.attention_bias = json.bool_of("attention_bias").value_or(false);
  config.mlp_bias = json.bool_of("mlp_bias").value_or(false);
  config.quantisation = quantisation_of(json, *config.architecture, file);
  return config;
}

}  // namespace sterna::hf
