// From a token's text to its id.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/tokenizer.hpp"

namespace sterna {

/// An open-addressing hash table over a vocabulary that it does not own and that must not move.
class TokenIndex {
 public:
  /// Throws Format when two tokens have the same text (empty ones aside, which cannot be found).
  explicit TokenIndex(const std::vector<std::string>& tokens);
  std::optional<TokenId> find(std::string_view token) const noexcept;
  /// The ids of many tokens, −1 for those that the vocabulary lacks. The table of a large vocabulary lies
  /// outside the caches; here the accesses overlap.
  void find_all(std::span<const std::string_view> tokens, std::span<TokenId> ids) const noexcept;

 private:
  struct Slot {
    std::uint32_t hash = 0;
    TokenId id = -1;
  };
  TokenId find(std::string_view token, std::uint32_t hash) const noexcept;

  const std::vector<std::string>* tokens_;
  std::vector<Slot> slots_;
};

}  // namespace sterna
