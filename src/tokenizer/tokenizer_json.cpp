// tokenizer.json, the format of the `tokenizers` library. What is read is what the byte-level BPE models, and
// those made from SentencePiece, have; everything else that would change the ids is refused by name.
#include <algorithm>

#include "base/log.hpp"
#include "sterna/error.hpp"
#include "tokenizer/spec.hpp"
#include "tokenizer/tokenizer_json_reader.hpp"

namespace sterna {
namespace {

using namespace tokenizer_json;
using nlohmann::json;

/// The pattern of a "Split" that isolates its matches.
std::string split_pattern_of(const json& split) {
  const json& pattern = get(split, "pattern");
  if (!pattern.is_object()) malformed("pre_tokenizer", "Split without a pattern");
  if (!get(pattern, "Regex").is_string())
    unsupported("pre_tokenizer", "Split by a literal text", "Split by Regex");
  auto regex = pattern["Regex"].get<std::string>();
  const auto behavior = text_of(split, "behavior", "pre_tokenizer");
  const bool invert = flag_of(split, "invert", "pre_tokenizer");
  // "Removed" and inverted keeps the matches and drops what lies between, of which the named patterns leave
  // none.
  const auto named = named_pre_tokenizers();
  const bool covers =
      std::any_of(named.begin(), named.end(), [&](const auto& row) { return row.pattern == regex; });
  if (!(behavior == "Isolated" && !invert) && !(behavior == "Removed" && invert && covers))
    unsupported("pre_tokenizer", "Split with behavior " + behavior + (invert ? ", inverted" : ""),
                "Isolated");
  return regex;
}

void read_pre_tokenizer(const json& component, TokenizerSpec& spec) {
  bool byte_level = false;
  for (const json& step : sequence_of(component, "pretokenizers", "pre_tokenizer")) {
    const auto type = type_of(step, "pre_tokenizer");
    // What follows ByteLevel would cut the byte alphabet, not the text.
    if (byte_level) unsupported("pre_tokenizer", type + " after ByteLevel", "ByteLevel last");
    if (type == "Split") {
      spec.patterns.push_back(split_pattern_of(step));
    } else if (type == "Digits") {
      spec.patterns.emplace_back(flag_of(step, "individual_digits", "pre_tokenizer") ? R"(\p{N})"
                                                                                     : R"(\p{N}+)");
    } else if (type == "Punctuation") {
      const json& behavior = get(step, "behavior");
      if (behavior != "Contiguous" && behavior != "Isolated" && !behavior.is_null())
        unsupported("pre_tokenizer", "Punctuation with another behavior", "Isolated, Contiguous");
      spec.patterns.emplace_back(R"([\p{P}$+<=>^`|~])");
      if (behavior == "Contiguous") spec.patterns.back() += '+';
    } else if (type == "ByteLevel") {
      byte_level = true;
      if (flag_of(step, "add_prefix_space", "pre_tokenizer"))
        unsupported("pre_tokenizer", "ByteLevel with add_prefix_space", "without");
      const json& use_regex = get(step, "use_regex");  // absent in old files: true
      if (use_regex.is_null() || flag_of(step, "use_regex", "pre_tokenizer"))
        spec.patterns.emplace_back(named_pre_tokenizer("gpt-2").pattern);
    } else {
      unsupported("pre_tokenizer", type, "Split, Digits, Punctuation, ByteLevel");
    }
  }
  if (!byte_level) unsupported("pre_tokenizer", "none that is ByteLevel", "ByteLevel");
  if (spec.patterns.empty()) unsupported("pre_tokenizer", "no pattern", "Split, or ByteLevel with use_regex");
  if (spec.patterns.size() > 8) unsupported("pre_tokenizer", "more than 8 steps", "fewer");
  if (spec.patterns.size() > 1) return;
  for (const auto& row : named_pre_tokenizers()) {
    if (row.pattern != spec.patterns[0]) continue;
    spec.pre = row.name;
    spec.add_bos = row.add_bos;
    spec.patterns.clear();
    return;
  }
}

void check_normalizer(const json& component, const std::string& file) {
  for (const json& step : sequence_of(component, "normalizers", "normalizer")) {
    const auto type = type_of(step, "normalizer");
    if (type != "NFC") unsupported("normalizer", type, "NFC, none");
    log_warning(
        file +
        ": the tokenizer composes characters (NFC) first, which is not done here: text with combining "
        "marks that is not NFC already may get other ids");
  }
}

void check_decoder(const json& component) {
  const auto steps = sequence_of(component, "decoders", "decoder");
  if (steps.size() != 1 || type_of(steps[0], "decoder") != "ByteLevel")
    unsupported("decoder", steps.empty() ? "none" : type_of(steps[0], "decoder"), "ByteLevel");
}

void check_model(const json& model, TokenizerSpec& spec) {
  const json& type = get(model, "type");  // absent in old files
  if (!type.is_null() && text_of(model, "type", "model") != "BPE")
    unsupported("model", text_of(model, "type", "model"), "BPE");
  if (const json& dropout = get(model, "dropout"); !dropout.is_null() && dropout != 0.0)
    unsupported("model", "dropout", "none");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!get(model, key).is_null() && !text_of(model, key, "model").empty())
      unsupported("model", key, "none");
  }
  spec.ignore_merges = flag_of(model, "ignore_merges", "model");
}

struct AddedToken {
  std::uint64_t id = 0;
  std::string content;
  bool special = false;
};

std::vector<AddedToken> added_tokens_of(const json& list) {
  if (list.is_null()) return {};
  if (!list.is_array()) malformed("added_tokens", "not a list");
  std::vector<AddedToken> tokens;
  for (const json& entry : list) {
    if (!entry.is_object()) malformed("added_tokens", "an entry is not an object");
    const json& id = get(entry, "id");
    if (!id.is_number_unsigned()) malformed("added_tokens", "an id is not a whole number");
    AddedToken token{id.get<std::uint64_t>(), text_of(entry, "content", "added_tokens"),
                     flag_of(entry, "special", "added_tokens")};
    for (const char* flag : {"single_word", "lstrip", "rstrip"}) {
      if (flag_of(entry, flag, "added_tokens"))
        unsupported("added_tokens", token.content + " with " + flag, "without");
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

/// Puts the vocabulary and the added tokens in the order of their ids, which must be 0 to n − 1. An added
/// token may be in the vocabulary as well.
void place_tokens(std::vector<std::pair<std::string, std::uint64_t>>&& vocab, std::vector<AddedToken>&& added,
                  TokenizerSpec& spec) {
  const std::size_t most = vocab.size() + added.size();
  std::vector<bool> taken(most);
  std::vector<std::string> tokens(most);
  spec.types.assign(most, TokenType::Normal);
  const auto put = [&](std::uint64_t id, std::string&& text) {
    if (id >= most) malformed("vocab", "id " + std::to_string(id) + " is beyond the number of tokens");
    if (taken[id]) malformed("vocab", "id " + std::to_string(id) + " occurs twice");
    taken[id] = true;
    tokens[id] = std::move(text);
  };
  for (auto& [text, id] : vocab) put(id, std::move(text));
  for (auto& token : added) {
    if (token.id >= most || !taken[token.id]) {
      put(token.id, std::move(token.content));
    } else if (tokens[token.id] != token.content) {
      malformed("added_tokens", "id " + std::to_string(token.id) + " is another token in the vocabulary");
    }
    spec.types[token.id] = token.special ? TokenType::Control : TokenType::UserDefined;
  }
  const auto hole = std::find(taken.begin(), taken.end(), false);
  if (std::find(hole, taken.end(), true) != taken.end())
    malformed("vocab", "id " + std::to_string(hole - taken.begin()) + " has no token");
  spec.tokens = StringTable(tokens.begin(), tokens.begin() + (hole - taken.begin()));
  spec.types.resize(spec.tokens.size());
}

std::optional<TokenId> id_of(const TokenizerSpec& spec, const std::string& token) {
  const auto at = std::find(spec.tokens.begin(), spec.tokens.end(), token);
  if (at == spec.tokens.end()) return std::nullopt;
  return static_cast<TokenId>(at - spec.tokens.begin());
}

/// "TemplateProcessing" says which tokens surround a text; those of a single text are the BOS and the EOS.
void read_template(const json& step, TokenizerSpec& spec) {
  const json& pieces = get(step, "single");
  if (!pieces.is_array()) malformed("post_processor", "TemplateProcessing without a list");
  spec.add_bos = spec.add_eos = false;
  bool text_seen = false;
  for (const json& piece : pieces) {
    if (!piece.is_object()) malformed("post_processor", "a piece is not an object");
    if (piece.contains("Sequence")) {
      if (text_seen) unsupported("post_processor", "a template that repeats the text", "the text once");
      text_seen = true;
      continue;
    }
    const json& special = get(piece, "SpecialToken");
    if (!special.is_object()) malformed("post_processor", "a piece is neither text nor special token");
    const auto token = text_of(special, "id", "post_processor");
    const auto id = id_of(spec, token);
    if (!id) malformed("post_processor", "the vocabulary lacks " + token);
    if (text_seen ? spec.add_eos : spec.add_bos)
      unsupported("post_processor", "several tokens before or after the text", "one");
    (text_seen ? spec.add_eos : spec.add_bos) = true;
    (text_seen ? spec.eos : spec.bos) = id;
  }
  if (!text_seen) malformed("post_processor", "a template without the text");
}

void read_post_processor(const json& component, TokenizerSpec& spec) {
  for (const json& step : sequence_of(component, "processors", "post_processor")) {
    const auto type = type_of(step, "post_processor");
    if (type == "TemplateProcessing") {
      read_template(step, spec);
    } else if (type != "ByteLevel") {  // which only moves offsets
      unsupported("post_processor", type, "TemplateProcessing, ByteLevel");
    }
  }
}

TokenizerSpec read(Bytes bytes, const std::string& file) {
  File parsed = parse(bytes);
  const json& root = parsed.rest;
  const json& model = get(root, "model");
  if (!model.is_object()) malformed("model", "not an object");
  TokenizerSpec spec;
  check_model(model, spec);
  if (parsed.vocab.empty()) malformed("model", "no vocabulary");
  if (!parsed.has_merges) malformed("model", "no list of merges");
  place_tokens(std::move(parsed.vocab), added_tokens_of(get(root, "added_tokens")), spec);
  spec.merges = std::move(parsed.merges);
  if (!get(model, "unk_token").is_null()) {
    const auto unknown = text_of(model, "unk_token", "model");
    spec.unk = id_of(spec, unknown);
    if (!spec.unk) malformed("model", "the vocabulary lacks the unk_token " + unknown);
  }
  if (flag_of(model, "byte_fallback", "model")) {
    read_as_sentencepiece(root, spec);
  } else {
    check_normalizer(get(root, "normalizer"), file);
    check_decoder(get(root, "decoder"));
    read_pre_tokenizer(get(root, "pre_tokenizer"), spec);
  }
  read_post_processor(get(root, "post_processor"), spec);
  return spec;
}

}  // namespace

TokenizerSpec read_tokenizer_json(Bytes json, const std::string& file) {
  try {
    return read(json, file);
  } catch (const Error& error) {
    throw error.with("file", file);
  }
}

}  // namespace sterna
