#include "tokenizer/token_index.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <string>

#include "sterna/error.hpp"

namespace sterna {
namespace {

std::uint32_t hash_of(std::string_view token) {
  return static_cast<std::uint32_t>(std::hash<std::string_view>{}(token));
}

}  // namespace

TokenIndex::TokenIndex(const StringTable& tokens)
    : tokens_(&tokens), slots_(tokens.size() + tokens.size() / 2 + 2) {
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) continue;
    const std::uint32_t hash = hash_of(tokens[id]);
    std::size_t at = slot_of(hash);
    for (; slots_[at].id >= 0; at = after(at)) {
      if (slots_[at].hash == hash && tokens[static_cast<std::size_t>(slots_[at].id)] == tokens[id]) {
        throw Error(ErrorCategory::Format, "two ids of the vocabulary have the same text",
                    {{"token", std::string(tokens[id])},
                     {"first", std::to_string(slots_[at].id)},
                     {"second", std::to_string(id)}});
      }
    }
    slots_[at] = {hash, static_cast<TokenId>(id)};
  }
}

TokenId TokenIndex::find(std::string_view token, std::uint32_t hash) const noexcept {
  for (std::size_t at = slot_of(hash); slots_[at].id >= 0; at = after(at)) {
    if (slots_[at].hash == hash && (*tokens_)[static_cast<std::size_t>(slots_[at].id)] == token)
      return slots_[at].id;
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
  std::array<std::uint32_t, kBlock> hashes;
  for (std::size_t begin = 0; begin < tokens.size(); begin += kBlock) {
    const std::size_t n = std::min(kBlock, tokens.size() - begin);
    for (std::size_t i = 0; i < n; ++i) {
      hashes[i] = hash_of(tokens[begin + i]);
      __builtin_prefetch(&slots_[slot_of(hashes[i])]);
    }
    std::array<TokenId, kBlock> likely;
    for (std::size_t i = 0; i < n; ++i) {
      likely[i] = slots_[slot_of(hashes[i])].id;
      if (likely[i] >= 0) tokens_->prefetch_place(static_cast<std::size_t>(likely[i]));
    }
    for (std::size_t i = 0; i < n; ++i) {
      if (likely[i] >= 0) tokens_->prefetch_text(static_cast<std::size_t>(likely[i]));
    }
    for (std::size_t i = 0; i < n; ++i) ids[begin + i] = find(tokens[begin + i], hashes[i]);
  }
}

}  // namespace sterna
