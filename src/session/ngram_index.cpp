#include "session/ngram_index.hpp"

#include <algorithm>
#include <bit>

namespace sterna {

NgramIndex::NgramIndex(std::uint32_t capacity) : capacity_(std::max(capacity, 1u)) {
  tokens_.reserve(capacity_);
  // At most half full, so that probing ends, and soon.
  for (auto& table : ends_) table.resize(std::bit_ceil(2 * capacity_));
}

void NgramIndex::push(TokenId token) {
  if (tokens_.size() == capacity_) forget_older_half();
  tokens_.push_back(token);
  enter(tokens_.size());
}

/// Finds and then enters the n-grams that end with the first `size` tokens.
void NgramIndex::enter(std::size_t size) {
  match_ = {};
  for (std::size_t n = kShortest; n <= std::min(kLongest, size); ++n) {
    std::uint32_t& end = slot_of(tokens().subspan(size - n, n));
    if (end != 0) match_ = {end, n};
    end = static_cast<std::uint32_t>(size);
  }
}

/// Holds where the same tokens ended, or 0.
std::uint32_t& NgramIndex::slot_of(std::span<const TokenId> ngram) {
  auto& table = ends_[ngram.size() - kShortest];
  std::uint64_t hash = 0;
  for (const TokenId token : ngram) {
    hash = (hash ^ static_cast<std::uint64_t>(token)) * 0x9e3779b97f4a7c15u;  // Knuth's: 2^64 / golden ratio
    hash ^= hash >> 32;  // the product's lower half, which chooses the slot, knows nothing of the upper
  }
  for (std::size_t slot = hash % table.size();; slot = (slot + 1) % table.size()) {
    const std::uint32_t end = table[slot];
    if (end == 0 || std::ranges::equal(ngram, tokens().subspan(end - ngram.size(), ngram.size()))) {
      return table[slot];
    }
  }
}

void NgramIndex::forget_older_half() {
  tokens_.erase(tokens_.begin(), tokens_.end() - static_cast<std::ptrdiff_t>(capacity_ / 2));
  for (auto& table : ends_) std::fill(table.begin(), table.end(), 0);
  for (std::size_t size = 1; size <= tokens_.size(); ++size) enter(size);
}

}  // namespace sterna
