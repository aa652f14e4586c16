#include "sterna/tokenizer.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "platform/mapped_file.hpp"
#include "sterna/error.hpp"
#include "tokenizer/byte_alphabet.hpp"
#include "tokenizer/sentencepiece.hpp"
#include "tokenizer/spec.hpp"
#include "tokenizer/special_tokens.hpp"
#include "tokenizer/subword_encoder.hpp"
#include "tokenizer/token_index.hpp"

namespace sterna {
namespace {

/// Ends an answer in some family of models, where the vocabulary has it as a special token.
constexpr auto kEndTokens = std::to_array<std::string_view>({
    "<|eot_id|>",       // Llama 3, BitNet b1.58 2B4T
    "<|eom_id|>",       // Llama 3.1, end of a message that calls a tool
    "<|end_of_text|>",  // Llama 3
    "<|im_end|>",       // ChatML: Qwen, Falcon-E
    "<|endoftext|>",    // GPT-2, Falcon 3, Qwen
    "</s>",             // Llama 1 and 2, Zephyr
    "<|end|>",          // Phi 3
    "<|end_of_turn|>",  // OpenChat
    "<end_of_turn>",    // Gemma
    "<|eot|>",
    "<EOT>",
    "<eos>",
});

bool spelled_out_means_special(TokenType type) {
  return type == TokenType::Control || type == TokenType::Unknown;
}

}  // namespace

struct Tokenizer::Impl {
  explicit Impl(TokenizerSpec from) : spec(checked(std::move(from))), index(spec.tokens) {
    encoder = spec.kind == TokenizerKind::ByteLevelBpe ? make_bpe_encoder(spec, index)
                                                       : make_sentencepiece_encoder(spec);
    spec.merges = {};  // a table by now
    collect_bytes();
    collect_special_tokens();
    collect_end_tokens();
  }

  static TokenizerSpec checked(TokenizerSpec spec) {
    const auto check_length = [&](std::string_view what, std::size_t found) {
      if (found != spec.tokens.size()) {
        throw Error(ErrorCategory::Format, "the parts of the vocabulary differ in length",
                    {{"part", std::string(what)},
                     {"found", std::to_string(found)},
                     {"expected", std::to_string(spec.tokens.size())}});
      }
    };
    if (spec.tokens.empty() || spec.tokens.size() > std::numeric_limits<TokenId>::max()) {
      throw Error(ErrorCategory::Format, "the vocabulary is empty or too large",
                  {{"found", std::to_string(spec.tokens.size())}});
    }
    check_length("types", spec.types.size());
    if (spec.kind == TokenizerKind::SentencePiece) check_length("scores", spec.scores.size());
    for (const auto& [name, id] : {std::pair{"bos", spec.bos},
                                   {"eos", spec.eos},
                                   {"eot", spec.eot},
                                   {"unk", spec.unk},
                                   {"pad", spec.pad}}) {
      if (id && (*id < 0 || static_cast<std::size_t>(*id) >= spec.tokens.size())) {
        throw Error(
            ErrorCategory::Format, "a special token's id is outside the vocabulary",
            {{"token", name}, {"found", std::to_string(*id)}, {"size", std::to_string(spec.tokens.size())}});
      }
    }
    return spec;
  }

  void collect_bytes() {
    for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
      bytes.push_back_with([&](std::string& out) { append_bytes(spec.tokens[id], spec.types[id], out); });
    }
    bytes.shrink_to_fit();
  }

  void append_bytes(std::string_view token, TokenType type, std::string& out) const {
    const bool as_it_is = type == TokenType::Control || type == TokenType::UserDefined;
    if (spec.kind == TokenizerKind::ByteLevelBpe) {
      if (as_it_is || !append_from_byte_alphabet(out, token)) out += token;
    } else if (type == TokenType::Byte) {
      out += static_cast<char>(*byte_of_piece(token));
    } else if (type == TokenType::Control) {
      out += token;
    } else {
      for (std::size_t at = 0; at < token.size();) {
        const bool space = token.substr(at).starts_with(kSentencePieceSpace);
        out += space ? ' ' : token[at];
        at += space ? kSentencePieceSpace.size() : 1;
      }
    }
  }

  void collect_special_tokens() {
    for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
      const bool special = spelled_out_means_special(spec.types[id]);
      // SentencePiece finds the user-defined pieces itself.
      const bool user_defined =
          spec.types[id] == TokenType::UserDefined && spec.kind != TokenizerKind::SentencePiece;
      if (special || user_defined) with_special.add(spec.tokens[id], static_cast<TokenId>(id));
      if (user_defined) without_special.add(spec.tokens[id], static_cast<TokenId>(id));
    }
    with_special.prepare();
    without_special.prepare();
  }

  void collect_end_tokens() {
    const auto add = [&](std::optional<TokenId> id) {
      if (id && std::find(end_tokens.begin(), end_tokens.end(), *id) == end_tokens.end())
        end_tokens.push_back(*id);
    };
    add(spec.eos);
    add(spec.eot);
    for (const auto name : kEndTokens) {
      const auto id = index.find(name);
      if (id && (spec.types[*id] == TokenType::Control || spec.types[*id] == TokenType::UserDefined)) add(id);
    }
  }

  void check(TokenId id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= spec.tokens.size()) {
      throw Error(ErrorCategory::InvalidArgument, "token id outside the vocabulary",
                  {{"found", std::to_string(id)}, {"size", std::to_string(spec.tokens.size())}});
    }
  }

  TokenizerSpec spec;
  TokenIndex index;
  std::unique_ptr<SubwordEncoder> encoder;
  StringTable bytes;  ///< what each token adds to a text
  SpecialTokens with_special, without_special;
  std::vector<TokenId> end_tokens;
};

std::shared_ptr<const Tokenizer> Tokenizer::load(const std::filesystem::path& path) {
  std::error_code unknown;
  if (std::filesystem::is_directory(path, unknown))
    return std::make_shared<Tokenizer>(read_tokenizer_folder(path));
  const auto file = MappedFile::open(path);
  // SentencePiece's protobuf begins with a field's key: never with a brace or a space.
  const auto text = as_text(file->bytes());
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool json = path.extension() == ".json" || (first != text.npos && text[first] == '{');
  return std::make_shared<Tokenizer>(json ? read_tokenizer_json(file->bytes(), path.string())
                                          : read_sentencepiece_model(file->bytes(), path.string()));
}

Tokenizer::Tokenizer(TokenizerSpec spec) : impl_(std::make_unique<const Impl>(std::move(spec))) {}
Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::encode(std::string_view text, bool parse_special) const {
  std::vector<TokenId> ids;
  ids.reserve(text.size() / 3);
  const SpecialTokens& special = parse_special ? impl_->with_special : impl_->without_special;
  for (std::size_t at = 0; at < text.size();) {
    const auto match = special.find(text, at);
    const std::size_t end = std::min(match.at, text.size());
    if (end > at) impl_->encoder->encode(text.substr(at, end - at), ids);
    if (match.id >= 0) ids.push_back(match.id);
    at = end + match.length;
  }
  return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool keep_special) const {
  std::string text;
  bool at_start = impl_->spec.add_space_prefix;
  for (const TokenId id : ids) {
    if (is_special(id) && !keep_special) continue;
    std::string_view bytes = token_bytes(id);
    if (at_start && bytes.starts_with(' ')) bytes.remove_prefix(1);
    at_start = false;
    text += bytes;
  }
  return text;
}

std::string_view Tokenizer::token_bytes(TokenId id) const {
  impl_->check(id);
  return impl_->bytes[static_cast<std::size_t>(id)];
}

std::string_view Tokenizer::token_text(TokenId id) const {
  impl_->check(id);
  return impl_->spec.tokens[id];
}

std::optional<TokenId> Tokenizer::find(std::string_view token) const {
  return impl_->index.find(token);
}

bool Tokenizer::is_special(TokenId id) const {
  impl_->check(id);
  return spelled_out_means_special(impl_->spec.types[id]);
}

std::size_t Tokenizer::vocab_size() const noexcept {
  return impl_->spec.tokens.size();
}
std::optional<TokenId> Tokenizer::bos() const noexcept {
  return impl_->spec.bos;
}
std::optional<TokenId> Tokenizer::eos() const noexcept {
  return impl_->spec.eos;
}
std::span<const TokenId> Tokenizer::end_tokens() const noexcept {
  return impl_->end_tokens;
}
bool Tokenizer::adds_bos() const noexcept {
  return impl_->spec.add_bos && impl_->spec.bos;
}
const TokenizerSpec& Tokenizer::spec() const noexcept {
  return impl_->spec;
}

}  // namespace sterna
