// The tokenizer of a Hugging Face folder: the vocabulary's file, and beside it what `transformers` adds.
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "platform/mapped_file.hpp"
#include "sterna/error.hpp"
#include "tokenizer/spec.hpp"
#include "tokenizer/token_index.hpp"

namespace sterna {
namespace {

using nlohmann::json;
using std::filesystem::path;

/// No file says which token ends a turn of a conversation, where it is another than the EOS.
constexpr auto kEndOfTurn =
    std::to_array<std::string_view>({"<|eot_id|>", "<|im_end|>", "<|end_of_turn|>", "<end_of_turn>"});

[[noreturn]] void fail(const path& file, std::string_view key, std::string_view reason) {
  throw Error(ErrorCategory::Format, "a setting of the tokenizer is wrong",
              {{"file", file.string()}, {"key", std::string(key)}, {"reason", std::string(reason)}});
}

bool is_there(const path& file) {
  std::error_code no_answer;
  return std::filesystem::exists(file, no_answer);
}

/// A null value when the folder has no such file.
json read_json_object(const path& file) {
  constexpr std::size_t kMaxSize = 64 << 20;  // these files have some kilobytes
  constexpr int kMaxDepth = 64;
  if (!is_there(file)) return {};
  const auto mapped = MappedFile::open(file);
  const auto not_json = [&](std::string_view reason) {
    throw Error(ErrorCategory::Format, "not a JSON object",
                {{"file", file.string()}, {"reason", std::string(reason)}});
  };
  if (mapped->bytes().size() > kMaxSize) not_json("too large");
  json value;
  try {
    value = json::parse(as_text(mapped->bytes()), [&](int depth, json::parse_event_t, json&) {
      if (depth > kMaxDepth) not_json("nested too deeply");
      return true;
    });
  } catch (const json::exception& error) {
    not_json(error.what());
  }
  if (!value.is_object()) not_json("another type");
  return value;
}

struct SettingsFile {
  path name;
  json content;
};

/// What `transformers` keeps in several files, of which the first that has a setting counts.
class Settings {
 public:
  explicit Settings(const path& folder) {
    for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"})
      files_.push_back({folder / name, read_json_object(folder / name)});
  }

  struct Value {
    const path* file = nullptr;
    const json* value = nullptr;  ///< null: no file has it
  };
  Value find(const char* key) const {
    for (const SettingsFile& file : files_) {
      const auto at = file.content.find(key);
      if (at != file.content.end() && !at->is_null()) return {&file.name, &*at};
    }
    return {};
  }

  /// A token's text, given as such or as an object with its "content"; empty when no file has it.
  std::string token(const char* key) const {
    const auto [file, value] = find(key);
    if (!value) return {};
    const json& text = value->is_object() && value->contains("content") ? (*value)["content"] : *value;
    if (!text.is_string()) fail(*file, key, "no token");
    return text.get<std::string>();
  }

  void flag(const char* key, bool& flag) const {
    const auto [file, value] = find(key);
    if (!value) return;
    if (!value->is_boolean()) fail(*file, key, "no boolean");
    flag = value->get<bool>();
  }

  /// A template, or a list of named ones of which "default" is for conversations.
  std::string chat_template() const {
    const auto [file, value] = find("chat_template");
    if (!value) return {};
    if (value->is_string()) return value->get<std::string>();
    if (!value->is_array()) fail(*file, "chat_template", "neither text nor list");
    for (const json& entry : *value) {
      if (entry.is_object() && entry.value("name", json()) == "default" &&
          entry.value("template", json()).is_string())
        return entry["template"].get<std::string>();
    }
    return {};
  }

 private:
  std::vector<SettingsFile> files_;
};

struct AddedToken {
  std::string text;
  bool special = false;
};

/// Tokens that were added to a tokenizer.model after its training, by their ids: "added_tokens_decoder" of
/// the configuration, in older folders added_tokens.json.
std::map<std::uint64_t, AddedToken> added_tokens_of(const path& folder, const Settings& settings) {
  std::map<std::uint64_t, AddedToken> tokens;
  const char* key = "added_tokens_decoder";
  if (const auto [file, list] = settings.find(key); list) {
    if (!list->is_object()) fail(*file, key, "no object");
    for (const auto& [id, entry] : list->items()) {
      const bool number = !id.empty() && id.size() < 10 && id.find_first_not_of("0123456789") == id.npos;
      if (!number || !entry.is_object() || !entry.value("content", json()).is_string())
        fail(*file, key, "an entry is not a token with its id");
      tokens[std::stoull(id)] = {entry["content"].get<std::string>(), entry.value("special", json()) == true};
    }
    return tokens;
  }
  const path older = folder / "added_tokens.json";
  const json list = read_json_object(older);
  for (const auto& [text, id] : list.items()) {
    if (!id.is_number_unsigned()) fail(older, text, "not an id");
    tokens[id.get<std::uint64_t>()] = {text, false};
  }
  return tokens;
}

void add_tokens(const std::map<std::uint64_t, AddedToken>& added, const path& folder, TokenizerSpec& spec) {
  for (const auto& [id, token] : added) {
    if (id > spec.tokens.size()) fail(folder, token.text, "the id of this added token leaves a gap");
    if (id < spec.tokens.size()) {
      if (spec.tokens[id] != token.text) fail(folder, token.text, "this added token has the id of another");
      continue;
    }
    spec.tokens.push_back(token.text);
    spec.types.push_back(token.special ? TokenType::Control : TokenType::UserDefined);
    spec.scores.push_back(0);
  }
}

TokenizerSpec read_vocabulary(const path& folder, const Settings& settings) {
  const path json_file = folder / "tokenizer.json", model_file = folder / "tokenizer.model";
  const bool has_model = is_there(model_file);
  if (is_there(json_file)) {
    try {
      return read_tokenizer_json(MappedFile::open(json_file)->bytes(), json_file.string());
    } catch (const Error& error) {
      if (error.category() != ErrorCategory::Unsupported || !has_model) throw;
      log_info(std::string(error.what()) + "; tokenizer.model is read instead");
    }
  }
  if (!has_model) {
    throw Error(ErrorCategory::Io, "the folder has no tokenizer.json and no tokenizer.model",
                {{"folder", folder.string()}});
  }
  TokenizerSpec spec = read_sentencepiece_model(MappedFile::open(model_file)->bytes(), model_file.string());
  add_tokens(added_tokens_of(folder, settings), folder, spec);
  return spec;
}

}  // namespace

TokenizerSpec read_tokenizer_folder(const path& folder) {
  const Settings settings(folder);
  TokenizerSpec spec = read_vocabulary(folder, settings);
  const TokenIndex index(spec.tokens);
  const auto set = [&](const char* key, std::optional<TokenId>& id, bool required) {
    const std::string token = settings.token(key);
    if (token.empty()) return;
    id = index.find(token);
    if (!id && required) fail(folder, key, "the vocabulary lacks " + token);
    // Older files do not mark the tokens that were added for this.
    if (id && spec.types[*id] == TokenType::UserDefined) spec.types[*id] = TokenType::Control;
  };
  set("bos_token", spec.bos, true);
  set("eos_token", spec.eos, true);
  // Those that only training used need not be in the vocabulary.
  set("unk_token", spec.unk, false);
  set("pad_token", spec.pad, false);
  for (const auto name : kEndOfTurn) {
    const auto id = index.find(name);
    if (id && id != spec.eos && !spec.eot && spec.types[*id] == TokenType::Control) spec.eot = id;
  }
  settings.flag("add_bos_token", spec.add_bos);
  settings.flag("add_eos_token", spec.add_eos);
  spec.chat_template = settings.chat_template();
  if (const path jinja = folder / "chat_template.jinja"; is_there(jinja))
    spec.chat_template = as_text(MappedFile::open(jinja)->bytes());
  return spec;
}

}  // namespace sterna
