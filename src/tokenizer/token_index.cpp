#include "tokenizer/token_index.hpp"

#include <bit>
#include <functional>

#include "sterna/error.hpp"

namespace sterna {
namespace {

std::uint32_t hash_of(std::string_view token) {
  return static_cast<std::uint32_t>(std::hash<std::string_view>{}(token));
}

}  // namespace

TokenIndex::TokenIndex(const std::vector<std::string>& tokens)
    : tokens_(&tokens), slots_(std::bit_ceil(tokens.size() * 2 + 1)) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) continue;
    const std::uint32_t hash = hash_of(tokens[id]);
    std::size_t at = hash & mask;
    for (; slots_[at].id >= 0; at = (at + 1) & mask) {
      if (slots_[at].hash == hash && tokens[slots_[at].id] == tokens[id]) {
        throw Error(ErrorCategory::Format, "two ids of the vocabulary have the same text",
                    {{"token", tokens[id]},
                     {"first", std::to_string(slots_[at].id)},
                     {"second", std::to_string(id)}});
      }
    }
    slots_[at] = {hash, static_cast<TokenId>(id)};
  }
}

std::optional<TokenId> TokenIndex::find(std::string_view token) const noexcept {
  if (token.empty()) return std::nullopt;
  const std::uint32_t hash = hash_of(token);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at].id >= 0; at = (at + 1) & mask) {
    if (slots_[at].hash == hash && (*tokens_)[slots_[at].id] == token) return slots_[at].id;
  }
  return std::nullopt;
}

}  // namespace sterna
