// config.json of a Hugging Face checkpoint.
#pragma once

#include <string>
#include <vector>

#include "model/architecture.hpp"
#include "model/json_reader.hpp"
#include "sterna/model.hpp"

namespace sterna::hf {

/// What the weights of the linear layers are, from `quantization_config`.
struct Quantisation {
  enum class Mode { None, Packed, Online } mode = Mode::None;
  bool divides = false;      ///< the stored weight_scale divides the product (`bitlinear`)
  bool norm_inside = false;  ///< `use_rms_norm`: an RMSNorm inside every linear
  float norm_eps = 1e-6f;
  std::vector<std::string> dense_modules;  ///< `modules_to_not_convert`
};

struct Config {
  const Architecture* architecture = nullptr;
  ModelConfig model;
  Quantisation quantisation;
  bool attention_bias = false;  ///< Q, K, V and O have biases
  bool mlp_bias = false;        ///< gate, up and down have biases
};

/// Throws Format (key, found, expected) and Unsupported (an architecture, activation or RoPE type that is not
/// implemented).
Config read_config(const nlohmann::json& json, const std::string& file);

/// frequency_factors of `llama3` RoPE scaling: factor f for wavelengths beyond the original context over
/// `low`, 1 for those below the original context over `high`, and the smooth interpolation between.
std::vector<float> llama3_frequency_factors(const RopeConfig& rope, double factor, double low, double high,
                                            double original_context);

}  // namespace sterna::hf
