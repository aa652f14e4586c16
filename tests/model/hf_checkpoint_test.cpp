// Hugging Face folders that are damaged, contradict themselves or ask for what is not implemented.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "format/safetensors/safetensors.hpp"
#include "model/checkpoint.hpp"
#include "model/hf_config.hpp"
#include "model/json_reader.hpp"
#include "sterna/error.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

using Tensors = std::vector<safetensors::OutTensor>;

/// The fixture, changed before it is written to a folder of the test's own.
class Folder {
 public:
  Folder()
      : path_(testing::scratch()),
        source_(safetensors::read(testing::fixture("llama3-rope-scaling") / "model.safetensors")),
        config(read_json_file((testing::fixture("llama3-rope-scaling") / "config.json").string())) {
    for (const StoredTensor& tensor : source_.tensors()) {
      tensors.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes});
    }
  }

  safetensors::OutTensor& tensor(const std::string& name) {
    for (auto& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    throw std::runtime_error("no tensor " + name);
  }
  void remove(const std::string& name) {
    std::erase_if(tensors, [&](const auto& tensor) { return tensor.name == name; });
  }

  const std::filesystem::path& write() const {
    std::ofstream(path_ / "config.json") << config.dump();
    safetensors::write(path_ / "model.safetensors", tensors);
    return path_;
  }

 private:
  std::filesystem::path path_;
  Container source_;

 public:
  nlohmann::json config;
  Tensors tensors;
};

/// Opens the folder and expects an error of the category whose line has all the parts.
void expect_error(const Folder& folder, ErrorCategory category, const std::vector<std::string>& parts) {
  try {
    open_checkpoint(folder.write());
    ADD_FAILURE() << "no error; expected " << parts.front();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), category) << error.what();
    for (const auto& part : parts)
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

constexpr auto kQuery = "model.layers.0.self_attn.q_proj.weight";

TEST(HfCheckpoint, TheFixtureOpens) {
  const Folder folder;
  const auto checkpoint = open_checkpoint(folder.write());
  EXPECT_EQ(checkpoint.config.architecture, "llama");
  EXPECT_EQ(checkpoint.config.kv_heads, 1u);
  EXPECT_TRUE(checkpoint.config.tied_embeddings);
  EXPECT_EQ(checkpoint.config.rope.frequency_factors.size(), checkpoint.config.head_dim / 2);
  EXPECT_EQ(checkpoint.layers[0].query.encoding, WeightEncoding::HfPacked);
}

TEST(HfCheckpoint, NamesAMissingTensor) {
  Folder folder;
  folder.remove(kQuery);
  expect_error(folder, ErrorCategory::Mismatch, {kQuery, "found nothing"});
}

TEST(HfCheckpoint, NamesAMissingScale) {
  Folder folder;
  folder.remove(std::string(kQuery) + "_scale");
  expect_error(folder, ErrorCategory::Mismatch, {std::string(kQuery) + "_scale", "found nothing"});
}

TEST(HfCheckpoint, NamesATensorNobodyAskedFor) {
  Folder folder;
  auto extra = folder.tensors.front();
  extra.name = "model.layers.0.self_attn.q_norm.weight";
  folder.tensors.push_back(extra);
  expect_error(folder, ErrorCategory::Mismatch, {extra.name, "expected none"});
}

TEST(HfCheckpoint, NamesAShapeThatDoesNotFit) {
  Folder folder;
  auto& query = folder.tensor(kQuery);
  std::swap(query.shape[0], query.shape[1]);
  expect_error(folder, ErrorCategory::Mismatch, {kQuery, "[256, 64]", "[64, 256]"});
}

TEST(HfCheckpoint, ReportsAllFaultsTogether) {
  Folder folder;
  folder.remove(kQuery);
  folder.remove("model.norm.weight");
  expect_error(folder, ErrorCategory::Mismatch, {kQuery, "model.norm.weight"});
}

TEST(HfCheckpoint, RefusesPackedWeightsThatTheConfigurationDoesNotExplain) {
  Folder folder;
  folder.config.erase("quantization_config");
  expect_error(folder, ErrorCategory::Mismatch, {kQuery, "explains no packed weight"});
}

TEST(HfCheckpoint, RefusesFloatWeightsWherePackedOnesAreDue) {
  Folder folder;
  static const std::vector<std::byte> zeros(256 * 256 * 2);
  folder.tensor(kQuery) = {kQuery, DType::BF16, {256, 256}, zeros};
  expect_error(folder, ErrorCategory::Mismatch, {kQuery, "bf16", "u8"});
}

TEST(HfCheckpoint, RefusesScalesThatAreNoNumbers) {
  Folder folder;
  static const std::byte nan[2] = {std::byte{0xc0}, std::byte{0x7f}};
  static const std::byte zero[2] = {};
  const auto name = std::string(kQuery) + "_scale";
  folder.tensor(name).bytes = nan;
  expect_error(folder, ErrorCategory::Mismatch, {name, "finite"});
  folder.tensor(name).bytes = zero;  // `bitlinear` divides by it
  expect_error(folder, ErrorCategory::Mismatch, {name, "finite"});
}

struct BadConfig {
  const char* key;  ///< JSON pointer
  nlohmann::json value;
  ErrorCategory category;
  const char* part;
};

TEST(HfCheckpoint, RefusesConfigurationsByKey) {
  using enum ErrorCategory;
  const BadConfig cases[] = {
      {"/architectures/0", "GPT2LMHeadModel", Unsupported, "GPT2LMHeadModel"},
      {"/architectures", "LlamaForCausalLM", Format, "architectures"},
      {"/hidden_size", -256, Format, "hidden_size"},
      {"/hidden_size", 0, Format, "hidden size"},
      {"/hidden_size", 1e30, Format, "hidden_size"},
      {"/hidden_size", 4294967296, Format, "hidden_size"},
      {"/num_hidden_layers", 1000000, Format, "layers"},
      {"/num_hidden_layers", 3, Mismatch, "model.layers.2."},
      {"/num_attention_heads", 0, Format, "heads"},
      {"/num_key_value_heads", 3, Format, "key/value heads"},
      {"/head_dim", 63, Format, "head size"},
      {"/vocab_size", 1023, Mismatch, "model.embed_tokens.weight"},
      {"/hidden_act", "tanh", Unsupported, "tanh"},
      {"/rms_norm_eps", "small", Format, "rms_norm_eps"},
      {"/rms_norm_eps", -1.0, Format, "norm epsilon"},
      {"/rope_parameters/rope_type", "yarn", Unsupported, "yarn"},
      {"/rope_parameters/factor", 0, Format, "factor"},
      {"/rope_parameters/rope_theta", 0.0, Format, "RoPE theta"},
      {"/partial_rotary_factor", 0.5, Unsupported, "partial_rotary_factor"},
      {"/quantization_config/quant_method", "gptq", Unsupported, "gptq"},
      {"/quantization_config/linear_class", "fastlinear", Unsupported, "fastlinear"},
      {"/quantization_config/quantization_mode", "maybe", Unsupported, "maybe"},
      {"/quantization_config/modules_to_not_convert", "lm_head", Format, "modules_to_not_convert"},
      {"/quantization_config", 7, Format, "quantization_config"},
      {"/tie_word_embeddings", "yes", Format, "tie_word_embeddings"},
      {"/attention_bias", true, Mismatch, "q_proj.bias"},
  };
  for (const BadConfig& bad : cases) {
    SCOPED_TRACE(std::string(bad.key) + " = " + bad.value.dump());
    Folder folder;
    folder.config[nlohmann::json::json_pointer(bad.key)] = bad.value;
    expect_error(folder, bad.category, {bad.part});
  }
}

TEST(HfCheckpoint, DenseModulesAreNamedInTheConfiguration) {
  Folder folder;
  folder.config["quantization_config"]["modules_to_not_convert"] = {"model.layers.0.self_attn.q_proj"};
  // The packed weight is now unexplained: the list was read.
  expect_error(folder, ErrorCategory::Mismatch, {kQuery, "explains no packed weight"});
}

TEST(HfCheckpoint, NormsInsideTheLinearsAreRead) {
  Folder folder;
  folder.config["quantization_config"]["use_rms_norm"] = true;
  static const std::vector<std::byte> ones(2 * 1024, std::byte{0x3f});
  for (const auto& tensor : std::vector(folder.tensors)) {
    if (!tensor.name.ends_with("_proj.weight")) continue;
    const auto name = tensor.name.substr(0, tensor.name.size() - 6) + "rms_norm.weight";
    folder.tensors.push_back({name, DType::BF16, {tensor.shape[1]}, Bytes(ones).first(tensor.shape[1] * 2)});
  }
  const auto checkpoint = open_checkpoint(folder.write());
  ASSERT_NE(checkpoint.layers[1].down.input_norm, nullptr);
  EXPECT_FLOAT_EQ(checkpoint.layers[1].down.input_norm_eps, 1e-6f);
  folder.remove("model.layers.1.mlp.down_proj.rms_norm.weight");
  expect_error(folder, ErrorCategory::Mismatch, {"model.layers.1.mlp.down_proj.rms_norm.weight"});
}

TEST(HfCheckpoint, FlippedBytesOfTheConfigurationAreErrorsOrHarmless) {
  const std::string text = Folder().config.dump();
  std::mt19937 random(7);
  std::size_t refused = 0;
  constexpr int kFlips = 20000;
  for (int i = 0; i < kFlips; ++i) {
    std::string damaged = text;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    if (i % 4 == 0) damaged.resize(random() % damaged.size());
    try {
      hf::read_config(parse_json(damaged, "test"), "test");
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, kFlips / 2);  // most damage is seen
}

TEST(HfCheckpoint, RefusesWhatIsNoCheckpoint) {
  const auto folder = testing::scratch();
  EXPECT_THROW(open_checkpoint(folder), Error);
  EXPECT_THROW(open_checkpoint(folder / "nothing"), Error);
  std::ofstream(folder / "config.json") << "";
  EXPECT_THROW(open_checkpoint(folder), Error);
  std::ofstream(folder / "config.json") << std::string(100000, '[');
  EXPECT_THROW(open_checkpoint(folder), Error);
}

}  // namespace
}  // namespace sterna
