// GGUF models whose metadata or tensors do not make sense, and the trip of every setting through the
// metadata.
#include <gtest/gtest.h>

#include "model/checkpoint.hpp"
#include "model/gguf_checkpoint.hpp"
#include "sterna/convert.hpp"
#include "sterna/error.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

/// A synthetic model whose metadata and tensors a test can change before it is written again.
class GgufModel {
 public:
  GgufModel() : folder_(testing::scratch()) {
    synthesize(folder_ / "base.gguf", {.shape = "tales", .head = DType::Q8_0});
    file_ = gguf::read(folder_ / "base.gguf");
    metadata = file_.metadata;
    for (const StoredTensor& tensor : file_.container.tensors()) {
      tensors.push_back({tensor.name, tensor.dtype, tensor.shape,
                         [bytes = tensor.bytes](AtomicFile& out) { out.write(bytes); }});
    }
  }

  gguf::OutTensor& tensor(const std::string& name) {
    for (auto& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    throw std::runtime_error("no tensor " + name);
  }

  std::filesystem::path write() const {
    gguf::write(folder_ / "changed.gguf", metadata, tensors);
    return folder_ / "changed.gguf";
  }

  gguf::Metadata metadata;
  std::vector<gguf::OutTensor> tensors;

 private:
  std::filesystem::path folder_;
  gguf::File file_;
};

void expect_error(const GgufModel& model, ErrorCategory category, const std::vector<std::string>& parts) {
  const auto path = model.write();
  try {
    open_checkpoint(path);
    ADD_FAILURE() << "no error; expected " << parts.front();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), category) << error.what();
    EXPECT_EQ(error.value("file"), path.string());
    for (const auto& part : parts)
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(GgufCheckpoint, NamesMissingMisshapenAndUnknownTensors) {
  GgufModel model;
  std::erase_if(model.tensors, [](const auto& tensor) { return tensor.name == "blk.2.ffn_up.weight"; });
  model.tensor("blk.1.attn_norm.weight").name = "blk.1.attn_norm_2.weight";
  std::swap(model.tensor("blk.3.attn_k.weight").shape[0], model.tensor("blk.3.attn_k.weight").shape[1]);
  expect_error(model, ErrorCategory::Mismatch,
               {"blk.2.ffn_up.weight", "blk.1.attn_norm.weight", "blk.1.attn_norm_2.weight", "[512, 128]",
                "[128, 512]"});
}

TEST(GgufCheckpoint, RefusesMetadataByKey) {
  using enum ErrorCategory;
  const auto text = [](const char* value) { return gguf::Value(std::string(value)); };
  const auto number = [](std::uint32_t value) { return gguf::Value(value); };
  const struct {
    const char* key;
    gguf::Value value;
    ErrorCategory category;
    const char* part;
  } cases[] = {
      {"general.architecture", text("mamba"), Unsupported, "mamba"},
      {"general.architecture", number(3), Format, "general.architecture"},
      {"bitnet-b1.58.block_count", number(7), Mismatch, "blk.6."},
      {"bitnet-b1.58.block_count", number(5), Mismatch, "blk.5."},
      {"bitnet-b1.58.block_count", number(4000000000u), Format, "layers"},
      {"bitnet-b1.58.embedding_length", number(256), Mismatch, "token_embd.weight"},
      {"bitnet-b1.58.embedding_length", number(0), Format, "hidden size"},
      {"bitnet-b1.58.attention.head_count", number(0), Format, "head_count"},
      {"bitnet-b1.58.attention.head_count_kv", number(3), Format, "key/value heads"},
      {"bitnet-b1.58.attention.key_length", number(0), Format, "key length"},
      {"bitnet-b1.58.attention.value_length", number(32), Format, "value_length"},
      {"bitnet-b1.58.rope.dimension_count", number(32), Format, "rotary"},
      {"bitnet-b1.58.rope.scaling.type", text("yarn"), Unsupported, "yarn"},
      {"bitnet-b1.58.attention.layer_norm_rms_epsilon", text("x"), Format, "layer_norm_rms_epsilon"},
      {"tokenizer.ggml.model", text("bert"), Unsupported, "bert"},
      {"tokenizer.ggml.tokens", gguf::Value(gguf::Array(StringTable{})), Format, "tokens"},
      {"tokenizer.ggml.token_type", gguf::Value(gguf::Array(std::vector<std::int32_t>{1, 2})), Format,
       "token_type"},
      {"tokenizer.ggml.bos_token_id", number(4096), Format, "bos_token_id"},
  };
  for (const auto& bad : cases) {
    SCOPED_TRACE(bad.key);
    GgufModel model;
    model.metadata.set(bad.key, bad.value);
    expect_error(model, bad.category, {bad.part});
  }
  for (const char* key :
       {"bitnet-b1.58.block_count", "bitnet-b1.58.context_length", "bitnet-b1.58.feed_forward_length",
        "bitnet-b1.58.attention.layer_norm_rms_epsilon"}) {
    SCOPED_TRACE(key);
    GgufModel model;
    model.metadata.erase(key);
    expect_error(model, ErrorCategory::Format, {key, "nothing"});
  }
}

TEST(GgufCheckpoint, AsksForTheGroupOfUndecidedI2S) {
  GgufModel model;
  model.metadata.erase(std::string(gguf_model::kI2sGroupKey));
  expect_error(model, ErrorCategory::Unsupported, {"--i2s-group"});  // random weights are no evidence
  EXPECT_EQ(open_checkpoint(model.write(), {.map = {}, .i2s_group = 64}).unpack.i2s_group, 64u);
  EXPECT_THROW(open_checkpoint(model.write(), {.map = {}, .i2s_group = 100}), Error);
}

TEST(GgufCheckpoint, OldArchitectureNameMeansTheSame) {
  GgufModel model;
  gguf::Metadata renamed;
  for (const auto& [key, value] : model.metadata.entries()) {
    renamed.set(key.starts_with("bitnet-b1.58.") ? "bitnet-25." + key.substr(13) : key, value);
  }
  renamed.set("general.architecture", gguf::Value(std::string("bitnet-25")));
  model.metadata = renamed;
  EXPECT_EQ(open_checkpoint(model.write()).config.architecture, "bitnet-b1.58");
}

TEST(GgufConfig, SurvivesTheMetadata) {
  for (const Architecture* architecture : architectures()) {
    ModelConfig config;
    config.architecture = architecture->name;
    config.name = "a name";
    config.vocab = 100;
    config.hidden = 96;
    config.layers = 3;
    config.heads = 4;
    config.kv_heads = 2;
    config.head_dim = 32;
    config.ffn = 200;
    config.context = 77;
    config.norm_eps = 3e-6f;
    config.activation = Activation::Gelu;
    config.sub_norms = architecture->sub_norms;
    config.rope.theta = 1000042;
    config.rope.dimensions = 32;
    config.rope.linear_factor = 4;
    gguf::Metadata metadata;
    gguf_model::write_config(config, *architecture, metadata);
    metadata.set("general.name", gguf::Value(config.name));
    const ModelConfig found = gguf_model::read_config(metadata, *architecture, "test");
    EXPECT_EQ(found.hidden, config.hidden);
    EXPECT_EQ(found.layers, config.layers);
    EXPECT_EQ(found.heads, config.heads);
    EXPECT_EQ(found.kv_heads, config.kv_heads);
    EXPECT_EQ(found.head_dim, config.head_dim);
    EXPECT_EQ(found.ffn, config.ffn);
    EXPECT_EQ(found.context, config.context);
    EXPECT_EQ(found.norm_eps, config.norm_eps);
    EXPECT_EQ(found.activation, config.activation);
    EXPECT_EQ(found.rope.theta, config.rope.theta);
    EXPECT_EQ(found.rope.linear_factor, config.rope.linear_factor);
    EXPECT_EQ(found.name, config.name);
  }
}

TEST(GgufTokenizer, SurvivesTheMetadata) {
  const auto folder = testing::fixture("tokenizers/tales");
  TokenizerSpec spec = read_tokenizer_folder(folder);
  spec.chat_template = "{{ messages }}";
  gguf::Metadata metadata;
  gguf_model::write_tokenizer(spec, static_cast<std::uint32_t>(spec.tokens.size()), metadata);
  const auto found = gguf_model::read_tokenizer(metadata, "test");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->tokens, spec.tokens);
  EXPECT_EQ(found->types, spec.types);
  EXPECT_EQ(found->merges, spec.merges);
  EXPECT_EQ(found->pre, spec.pre);
  EXPECT_EQ(found->ignore_merges, spec.ignore_merges);
  EXPECT_EQ(found->bos, spec.bos);
  EXPECT_EQ(found->eos, spec.eos);
  EXPECT_EQ(found->chat_template, spec.chat_template);
}

}  // namespace
}  // namespace sterna
