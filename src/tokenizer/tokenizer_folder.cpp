// The tokenizer of a Hugging Face folder: the vocabulary's file, and beside it what `transformers` adds.
#include <nlohmann/json.hpp>

#include "platform/mapped_file.hpp"
#include "sterna/error.hpp"
#include "tokenizer/spec.hpp"
#include "tokenizer/token_index.hpp"

namespace sterna {
namespace {

using nlohmann::json;
using std::filesystem::path;

/// A null value when the folder has no such file. These files are small; a large one is not what its name
/// says.
json read_json_object(const path& file) {
  constexpr std::size_t kMaxSize = 64 << 20;
  constexpr int kMaxDepth = 64;
  if (!std::filesystem::exists(file)) return {};
  const auto mapped = MappedFile::open(file);
  const auto fail = [&](std::string_view reason) {
    throw Error(ErrorCategory::Format, "not a JSON object",
                {{"file", file.string()}, {"reason", std::string(reason)}});
  };
  if (mapped->bytes().size() > kMaxSize) fail("too large");
  const auto limit_depth = [&](int depth, json::parse_event_t, json&) {
    if (depth > kMaxDepth) fail("nested too deeply");
    return true;
  };
  json value;
  try {
    value = json::parse(as_text(mapped->bytes()), limit_depth);
  } catch (const json::exception& error) {
    fail(error.what());
  }
  if (!value.is_object()) fail("another type");
  return value;
}

/// Reads settings that `transformers` keeps in two files, the first of which counts where both have one.
class Settings {
 public:
  Settings(const path& folder, TokenizerSpec& spec) : spec_(spec), index_(spec.tokens) {
    for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"})
      files_.push_back({folder / name, read_json_object(folder / name)});
  }

  /// A token by its text, or by an object with its "content".
  void token(const char* key, std::optional<TokenId>& id) const {
    const json* value = find(key);
    if (!value) return;
    const json& text = value->is_object() && value->contains("content") ? (*value)["content"] : *value;
    if (!text.is_string()) fail(key, "no token");
    id = index_.find(text.get_ref<const std::string&>());
    // A padding token that only training used is not always in the vocabulary.
    if (!id && std::string_view(key) != "pad_token") fail(key, "the vocabulary lacks this token");
  }

  void flag(const char* key, bool& value) const {
    const json* found = find(key);
    if (!found) return;
    if (!found->is_boolean()) fail(key, "no boolean");
    value = found->get<bool>();
  }

  /// A template, or a list of named ones of which "default" is for conversations.
  void chat_template() const {
    const json* value = find("chat_template");
    if (!value) return;
    if (value->is_string()) {
      spec_.chat_template = value->get<std::string>();
      return;
    }
    if (!value->is_array()) fail("chat_template", "neither text nor list");
    for (const json& entry : *value) {
      if (entry.is_object() && entry.value("name", json()) == "default" &&
          entry.value("template", json()).is_string())
        spec_.chat_template = entry["template"].get<std::string>();
    }
  }

 private:
  struct File {
    path name;
    json content;
  };

  const json* find(const char* key) const {
    for (const File& file : files_) {
      const auto at = file.content.find(key);
      if (at != file.content.end() && !at->is_null()) return &*at;
    }
    return nullptr;
  }

  [[noreturn]] void fail(const char* key, std::string_view reason) const {
    for (const File& file : files_) {
      if (!file.content.contains(key)) continue;
      throw Error(ErrorCategory::Format, "a setting of the tokenizer is wrong",
                  {{"file", file.name.string()},
                   {"key", key},
                   {"found", file.content[key].dump().substr(0, 80)},
                   {"reason", std::string(reason)}});
    }
    throw Error(ErrorCategory::Internal, "a setting failed that no file has");
  }

  TokenizerSpec& spec_;
  TokenIndex index_;
  std::vector<File> files_;
};

}  // namespace

TokenizerSpec read_tokenizer_folder(const path& folder) {
  const path file = folder / "tokenizer.json";
  if (!std::filesystem::exists(file)) {
    throw Error(ErrorCategory::Io, "the folder has no tokenizer.json", {{"folder", folder.string()}});
  }
  TokenizerSpec spec = read_tokenizer_json(MappedFile::open(file)->bytes(), file.string());
  const Settings settings(folder, spec);
  settings.token("bos_token", spec.bos);
  settings.token("eos_token", spec.eos);
  settings.token("unk_token", spec.unk);
  settings.token("pad_token", spec.pad);
  settings.flag("add_bos_token", spec.add_bos);
  settings.flag("add_eos_token", spec.add_eos);
  settings.chat_template();
  if (const path jinja = folder / "chat_template.jinja"; std::filesystem::exists(jinja))
    spec.chat_template = as_text(MappedFile::open(jinja)->bytes());
  return spec;
}

}  // namespace sterna
