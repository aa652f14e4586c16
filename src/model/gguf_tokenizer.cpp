#include <limits>

#include "base/checked.hpp"
#include "model/gguf_checkpoint.hpp"
#include "sterna/error.hpp"

// Keys as in the GGUF specification, section "Tokenizer".
namespace sterna::gguf_model {
namespace {

// Sterna's own keys, for what the specification has none.
constexpr std::string_view kPatternsKey = "sterna.tokenizer.patterns";
constexpr std::string_view kIgnoreMergesKey = "sterna.tokenizer.ignore_merges";
constexpr std::string_view kUnigramKey = "sterna.tokenizer.unigram";

[[noreturn]] void fail(const std::string& file, std::string_view key, const std::string& found,
                       const std::string& expected) {
  throw Error(ErrorCategory::Format, "wrong or missing tokenizer metadata",
              {{"file", file}, {"key", std::string(key)}, {"found", found}, {"expected", expected}});
}

std::optional<TokenId> id_of(const gguf::Metadata& metadata, std::string_view key, std::size_t tokens,
                             const std::string& file) {
  const auto id = metadata.unsigned_of(key);
  if (!id) return std::nullopt;
  // Some writers put −1, seen here as the largest u32, for "none".
  if (*id == std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  if (*id >= tokens) fail(file, key, std::to_string(*id), "an id below " + std::to_string(tokens));
  return static_cast<TokenId>(*id);
}

}  // namespace

std::optional<TokenizerSpec> read_tokenizer(const gguf::Metadata& metadata, const std::string& file) {
  const auto model = metadata.string_of("tokenizer.ggml.model");
  if (!model) return std::nullopt;
  TokenizerSpec spec;
  if (*model == "gpt2") {
    spec.kind = TokenizerKind::ByteLevelBpe;
  } else if (*model == "llama") {
    spec.kind = TokenizerKind::SentencePiece;
  } else {
    throw Error(ErrorCategory::Unsupported, "tokenizer model not implemented",
                {{"file", file},
                 {"key", "tokenizer.ggml.model"},
                 {"found", std::string(*model)},
                 {"expected", "gpt2 or llama"}});
  }
  if (const auto* tokens = metadata.strings_of("tokenizer.ggml.tokens")) spec.tokens = *tokens;
  if (spec.tokens.empty()) fail(file, "tokenizer.ggml.tokens", "no token", "a list of strings");
  const std::size_t n = spec.tokens.size();

  spec.types.assign(n, TokenType::Normal);
  const auto types = metadata.integers_of("tokenizer.ggml.token_type").value_or(std::vector<std::int64_t>{});
  if (!types.empty() && types.size() != n) {
    fail(file, "tokenizer.ggml.token_type", std::to_string(types.size()) + " items",
         std::to_string(n) + ", one per token");
  }
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (types[i] < 1 || types[i] > 6)
      fail(file, "tokenizer.ggml.token_type", std::to_string(types[i]), "1 to 6");
    spec.types[i] = static_cast<TokenType>(types[i]);
  }
  if (const auto* scores = metadata.floats_of("tokenizer.ggml.scores")) spec.scores = *scores;
  if (!spec.scores.empty() && spec.scores.size() != n) {
    fail(file, "tokenizer.ggml.scores", std::to_string(spec.scores.size()) + " items",
         std::to_string(n) + ", one per token");
  }
  if (const auto* merges = metadata.strings_of("tokenizer.ggml.merges")) spec.merges = *merges;
  if (spec.kind == TokenizerKind::ByteLevelBpe) {
    spec.scores.clear();
    // The published 2B4T files name no pre-tokenizer; theirs is Llama 3's.
    if (const auto* patterns = metadata.strings_of(kPatternsKey)) {
      spec.patterns.assign(patterns->begin(), patterns->end());
    } else {
      const auto pre = metadata.string_of("tokenizer.ggml.pre").value_or("");
      spec.pre = pre.empty() || pre == "default" ? "llama-bpe" : pre;
    }
    spec.ignore_merges = metadata.bool_of(kIgnoreMergesKey)
                             .value_or(!spec.pre.empty() && named_pre_tokenizer(spec.pre).ignore_merges);
  } else if (spec.scores.empty()) {
    fail(file, "tokenizer.ggml.scores", "nothing", "a score per token");
  }
  spec.unigram = metadata.bool_of(kUnigramKey).value_or(false);
  spec.add_space_prefix =
      metadata.bool_of("tokenizer.ggml.add_space_prefix").value_or(spec.kind == TokenizerKind::SentencePiece);
  spec.remove_extra_whitespaces = metadata.bool_of("tokenizer.ggml.remove_extra_whitespaces").value_or(false);
  spec.bos = id_of(metadata, "tokenizer.ggml.bos_token_id", n, file);
  spec.eos = id_of(metadata, "tokenizer.ggml.eos_token_id", n, file);
  spec.eot = id_of(metadata, "tokenizer.ggml.eot_token_id", n, file);
  spec.unk = id_of(metadata, "tokenizer.ggml.unknown_token_id", n, file);
  spec.pad = id_of(metadata, "tokenizer.ggml.padding_token_id", n, file);
  spec.add_bos = metadata.bool_of("tokenizer.ggml.add_bos_token").value_or(spec.bos.has_value());
  spec.add_eos = metadata.bool_of("tokenizer.ggml.add_eos_token").value_or(false);
  spec.chat_template = metadata.string_of("tokenizer.chat_template").value_or("");
  return spec;
}

void write_tokenizer(const TokenizerSpec& spec, std::uint32_t vocab, gguf::Metadata& metadata) {
  const bool bpe = spec.kind == TokenizerKind::ByteLevelBpe;
  auto tokens = spec.tokens;
  auto types = spec.types;
  auto scores = spec.scores;
  for (std::size_t id = tokens.size(); id < vocab; ++id) {
    tokens.push_back("[PAD" + std::to_string(id) + "]");
    types.push_back(TokenType::Unused);
    if (!bpe) scores.push_back(-10000.0f);  // never preferred by a merge
  }
  metadata.set("tokenizer.ggml.model", gguf::Value(std::string(bpe ? "gpt2" : "llama")));
  if (bpe)
    metadata.set("tokenizer.ggml.pre", gguf::Value(spec.pre.empty() ? std::string("default") : spec.pre));
  metadata.set("tokenizer.ggml.tokens", gguf::Value(gguf::Array(std::move(tokens))));
  std::vector<std::int32_t> type_numbers;
  for (const TokenType type : types) type_numbers.push_back(static_cast<std::int32_t>(type));
  metadata.set("tokenizer.ggml.token_type", gguf::Value(gguf::Array(std::move(type_numbers))));
  if (bpe) {
    metadata.set("tokenizer.ggml.merges", gguf::Value(gguf::Array(spec.merges)));
    if (!spec.patterns.empty())
      metadata.set(std::string(kPatternsKey),
                   gguf::Value(gguf::Array(StringTable(spec.patterns.begin(), spec.patterns.end()))));
    if (spec.pre.empty() || named_pre_tokenizer(spec.pre).ignore_merges != spec.ignore_merges) {
      metadata.set(std::string(kIgnoreMergesKey), gguf::Value(spec.ignore_merges));
    }
  } else {
    metadata.set("tokenizer.ggml.scores", gguf::Value(gguf::Array(std::move(scores))));
    metadata.set("tokenizer.ggml.add_space_prefix", gguf::Value(spec.add_space_prefix));
    metadata.set("tokenizer.ggml.remove_extra_whitespaces", gguf::Value(spec.remove_extra_whitespaces));
    if (spec.unigram) metadata.set(std::string(kUnigramKey), gguf::Value(true));
  }
  const auto set_id = [&](std::string_view key, std::optional<TokenId> id) {
    if (id) metadata.set("tokenizer.ggml." + std::string(key), gguf::Value(static_cast<std::uint32_t>(*id)));
  };
  set_id("bos_token_id", spec.bos);
  set_id("eos_token_id", spec.eos);
  set_id("eot_token_id", spec.eot);
  set_id("unknown_token_id", spec.unk);
  set_id("padding_token_id", spec.pad);
  metadata.set("tokenizer.ggml.add_bos_token", gguf::Value(spec.add_bos));
  metadata.set("tokenizer.ggml.add_eos_token", gguf::Value(spec.add_eos));
  if (!spec.chat_template.empty()) metadata.set("tokenizer.chat_template", gguf::Value(spec.chat_template));
}

}  // namespace sterna::gguf_model
