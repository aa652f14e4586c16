// From a token's text to its id.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/string_table.hpp"
#include "sterna/tokenizer.hpp"

namespace sterna {

/// An open-addressing hash table over a vocabulary that it does not own and that must not move.
class TokenIndex {
 public:
  /// Throws Format when two tokens have the same text (empty ones aside, which cannot be found).
  explicit TokenIndex(const StringTable& tokens);
  std::optional<TokenId> find(std::string_view token) const noexcept;
  /// The ids of many tokens, −1 for those that the vocabulary lacks. The table of a large vocabulary lies
  /// outside the caches; here the accesses overlap.
  void find_all(std::span<const std::string_view> tokens, std::span<TokenId> ids) const noexcept;

 private:
  struct Slot {
    std::uint32_t hash = 0;
    TokenId id = -1;
  };
  /// Where the search for a hash begins: hashes keep their order, so that any number of slots is used evenly.
  std::size_t slot_of(std::uint32_t hash) const noexcept {
    return static_cast<std::size_t>(std::uint64_t{hash} * slots_.size() >> 32);
  }
  std::size_t after(std::size_t slot) const noexcept { return slot + 1 == slots_.size() ? 0 : slot + 1; }
  TokenId find(std::string_view token, std::uint32_t hash) const noexcept;

  const StringTable* tokens_;
  std::vector<Slot> slots_;  ///< at most two of three taken, and never all: a search stops at a free one
};

}  // namespace sterna
