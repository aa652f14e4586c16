#include "inspect/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <variant>

#include "format/gguf/gguf.hpp"
#include "format/safetensors/safetensors.hpp"
#include "inspect/codecs.hpp"
#include "sterna/chat.hpp"
#include "sterna/error.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "tokenizer/spec.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct Opened {
  std::string format;
  gguf::Metadata metadata;  ///< empty for safetensors
  Container container;
};

Opened open(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return {"safetensors", {}, safetensors::read_folder(path)};
  const auto file = MappedFile::open(path);
  if (as_text(file->bytes()).starts_with("GGUF")) {
    gguf::File gguf = gguf::read(path);
    return {fmt::format("GGUF v{}", gguf.version), std::move(gguf.metadata), std::move(gguf.container)};
  }
  if (fs::path(path).extension() == ".safetensors") {
    return {"safetensors", {}, safetensors::read(path)};
  }
  throw Error(ErrorCategory::Format, "neither a GGUF file nor a safetensors file nor a model folder",
              {{"file", path}});
}

/// Lists longer than this are cut: a vocabulary is not for reading.
constexpr std::size_t kShownItems = 8;

Json array_report(const gguf::Array& array) {
  Json items = Json::array();
  std::visit(
      [&](const auto& list) {
        for (std::size_t i = 0; i < std::min(list.size(), kShownItems); ++i) {
          if constexpr (std::is_same_v<std::decay_t<decltype(list)>, std::vector<gguf::Array>>) {
            items.push_back(array_report(list[i]));
          } else if constexpr (std::is_same_v<std::decay_t<decltype(list)>, std::vector<bool>>) {
            items.push_back(static_cast<bool>(list[i]));
          } else {
            items.push_back(list[i]);
          }
        }
      },
      static_cast<const gguf::Array::variant&>(array));
  if (array.size() > kShownItems) items.push_back(fmt::format("… {} in all", array.size()));
  return items;
}

Json metadata_report(const gguf::Metadata& metadata) {
  Json report = Json::object();
  for (const auto& [key, value] : metadata.entries()) {
    report[key] = std::visit(
        [](const auto& held) -> Json {
          if constexpr (std::is_same_v<std::decay_t<decltype(held)>, gguf::Array>) {
            return array_report(held);
          } else {
            return held;
          }
        },
        static_cast<const gguf::Value::variant&>(value));
  }
  return report;
}

std::uint64_t elements(const std::vector<std::uint64_t>& shape) {
  std::uint64_t n = 1;
  for (const std::uint64_t dimension : shape) n *= dimension;  // checked by the reader
  return n;
}

Json config_report(const Model& model) {
  const ModelConfig& c = model.config();
  constexpr const char* kActivations[] = {"silu", "relu2", "gelu"};
  Json report{{"architecture", c.architecture},
              {"name", c.name},
              {"parameters", model.parameters()},
              {"layers", c.layers},
              {"hidden", c.hidden},
              {"heads", c.heads},
              {"kv_heads", c.kv_heads},
              {"head_dim", c.head_dim},
              {"ffn", c.ffn},
              {"vocab", c.vocab},
              {"context", c.context},
              {"activation", kActivations[static_cast<int>(c.activation)]},
              {"norm_eps", shortest(c.norm_eps)},
              {"sub_norms", c.sub_norms},
              {"tied_embeddings", c.tied_embeddings},
              {"rope",
               {{"theta", c.rope.theta},
                {"dimensions", c.rope.dimensions},
                {"linear_factor", c.rope.linear_factor},
                {"frequency_factors", c.rope.frequency_factors}}}};
  if (c.kv) report["kv_type"] = to_string(*c.kv);
  report["bytes_per_token"] = model.bytes_per_token();
  report["kernels"] = model.kernels();
  if (!model.packing().name.empty()) {
    report["packing"] = {{"name", model.packing().name}, {"why", model.packing().why}};
  }
  return report;
}

Json tokenizer_report(const Model& model) {
  if (!model.has_tokenizer()) return nullptr;
  const Tokenizer& tokenizer = *model.tokenizer();
  const TokenizerSpec& spec = tokenizer.spec();
  Json report{{"kind", spec.kind == TokenizerKind::ByteLevelBpe ? "byte-level BPE" : "SentencePiece"},
              {"tokens", tokenizer.vocab_size()}};
  if (!spec.pre.empty()) report["pre"] = spec.pre;
  if (tokenizer.bos()) report["bos"] = *tokenizer.bos();
  if (tokenizer.eos()) report["eos"] = *tokenizer.eos();
  report["end_tokens"] = std::vector<TokenId>(tokenizer.end_tokens().begin(), tokenizer.end_tokens().end());
  report["adds_bos"] = tokenizer.adds_bos();
  report["chat_template"] = recognise_chat_template(model.chat_template_source(), tokenizer).name;
  return report;
}

Json tensor_report(const StoredTensor& tensor) {
  const std::uint64_t n = elements(tensor.shape);
  return {
      {"name", tensor.name},
      {"type", name(tensor.dtype)},
      {"shape", tensor.shape},
      {"elements", n},
      {"bytes", tensor.bytes.size()},
      {"bits_per_weight", n ? static_cast<double>(tensor.bytes.size()) * 8 / static_cast<double>(n) : 0.0}};
}

Json weight_report(const WeightReport& weight) {
  Json report{{"name", weight.name},       {"stored", name(weight.stored)},
              {"shape", weight.shape},     {"stored_bytes", weight.stored_bytes},
              {"used", name(weight.used)}, {"owned_bytes", weight.owned_bytes}};
  if (!weight.why.empty()) report["why"] = weight.why;
  return report;
}

/// The model's part of the report: what loading it gives, or why it cannot be loaded.
void add_model(const InspectArgs& args, Json& report) {
  ModelArgs model_args;
  model_args.path = args.path;
  model_args.i2s_group = args.i2s_group;
  model_args.backend = args.backend;
  model_args.pack = args.pack;
  try {
    const auto model = load_model(model_args);
    report["model"] = config_report(*model);
    report["tokenizer"] = tokenizer_report(*model);
    Json weights = Json::array();
    std::uint64_t owned = 0;
    for (const WeightReport& weight : model->weights()) {
      weights.push_back(weight_report(weight));
      owned += weight.owned_bytes;
    }
    report["weights"] = weights;
    report["owned_bytes"] = owned;
  } catch (const Error& error) {
    if (error.category() == ErrorCategory::Cancelled) throw;
    report["cannot_load"] = error.what();
  }
}

}  // namespace

nlohmann::ordered_json inspect(const InspectArgs& args) {
  const Opened opened = open(args.path);
  const Container& container = opened.container;
  Json report{{"path", args.path}, {"format", opened.format}};
  std::uint64_t file_bytes = 0;
  for (const auto& file : container.files()) file_bytes += file->bytes().size();
  report["files"] = container.files().size();
  report["file_bytes"] = file_bytes;
  const bool bare = opened.format == "safetensors" && !fs::is_directory(args.path);
  if (bare) {
    report["cannot_load"] = "a safetensors file alone has no configuration; name its folder";
  } else if (!args.no_load) {
    add_model(args, report);
  }
  if (args.metadata) report["metadata"] = metadata_report(opened.metadata);
  Json tensors = Json::array();
  std::uint64_t bytes = 0;
  for (const StoredTensor& tensor : container.tensors()) {
    tensors.push_back(tensor_report(tensor));
    bytes += tensor.bytes.size();
  }
  report["tensors"] = tensors;
  report["tensor_bytes"] = bytes;
  if (args.codecs) report["codecs"] = codecs_report(args);
  return report;
}

}  // namespace sterna::cli
