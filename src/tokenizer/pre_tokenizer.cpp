#include "tokenizer/pre_tokenizer.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// The first row with a pattern is the name that `tokenizer.json` files with this pattern get.
constexpr auto kNamed = std::to_array<NamedPreTokenizer>({
    {"llama-bpe", kLlama3, true, true},
    {"llama3", kLlama3, true, true},
    {"llama-v3", kLlama3, true, true},
    {"falcon3", kLlama3, true, true},
    {"falcon_e", kLlama3, true, true},
    {"gpt-2", kGpt2, false, false},
    {"qwen2", kQwen2, false, false},
});

}  // namespace

std::span<const NamedPreTokenizer> named_pre_tokenizers() noexcept {
  return kNamed;
}

const NamedPreTokenizer& named_pre_tokenizer(std::string_view name) {
  std::string known;
  for (const auto& row : kNamed) {
    if (row.name == name) return row;
    known += known.empty() ? "" : ", ";
    known += row.name;
  }
  throw Error(ErrorCategory::Unsupported, "unknown pre-tokenizer",
              {{"found", std::string(name)}, {"known", known}});
}

PreTokenizer::PreTokenizer(const TokenizerSpec& spec) {
  if (spec.patterns.empty()) {
    patterns_.emplace_back(named_pre_tokenizer(spec.pre).pattern);
  } else {
    for (const auto& pattern : spec.patterns) patterns_.emplace_back(pattern);
  }
}

}  // namespace sterna
