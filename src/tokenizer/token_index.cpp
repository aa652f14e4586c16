#include "tokenizer/token_index.hpp"

#include <algorithm>
#include <array>
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

TokenId TokenIndex::find(std::string_view token, std::uint32_t hash) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at].id >= 0; at = (at + 1) & mask) {
    if (slots_[at].hash == hash && (*tokens_)[slots_[at].id] == token) return slots_[at].id;
  }
  return -1;
}

std::optional<TokenId> TokenIndex::find(std::string_view token) const noexcept {
  const TokenId id = find(token, hash_of(token));
  return id < 0 ? std::nullopt : std::optional(id);
}

void TokenIndex::find_all(std::span<const std::string_view> tokens, std::span<TokenId> ids) const noexcept {
  constexpr std::size_t kBlock =
      64;  // more than a core has line-fill buffers, less than its first cache holds
  const std::size_t mask = slots_.size() - 1;
  std::array<std::uint32_t, kBlock> hashes;
  for (std::size_t begin = 0; begin < tokens.size(); begin += kBlock) {
    const std::size_t n = std::min(kBlock, tokens.size() - begin);
    for (std::size_t i = 0; i < n; ++i) {
      hashes[i] = hash_of(tokens[begin + i]);
      __builtin_prefetch(&slots_[hashes[i] & mask]);
    }
    for (std::size_t i = 0; i < n; ++i) {
      const TokenId likely = slots_[hashes[i] & mask].id;
      if (likely >= 0) __builtin_prefetch(&(*tokens_)[likely]);
    }
    for (std::size_t i = 0; i < n; ++i) ids[begin + i] = find(tokens[begin + i], hashes[i]);
  }
}

}  // namespace sterna
