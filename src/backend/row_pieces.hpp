// How the rows of a product are cut into pieces, of which each thread takes the next when it is done with
// one.
#pragma once

#include <algorithm>
#include <cstddef>

#include "backend/dispatch.hpp"
#include "base/checked.hpp"

namespace sterna {

struct RowPiece {
  std::size_t begin;
  std::size_t end;
};

/// With many tokens, bound by arithmetic, a piece is the rows that the kernel takes at a time. With one token
/// or a few, bound by reading the weights, pieces are long streams, several for every thread, and the last of
/// every thread is cut into small ones.
class RowPieces {
 public:
  /// Rows of the longest piece, of this many tokens.
  static constexpr std::size_t most(std::size_t tokens, std::size_t rows_at_a_time) {
    return tokens == 1 ? kOneTokenRows : tokens <= kFewTokens ? kFewTokensRows : rows_at_a_time;
  }

  constexpr RowPieces(std::size_t rows, std::size_t tokens, std::size_t threads, std::size_t rows_at_a_time)
      : rows_(rows), long_(most(tokens, rows_at_a_time)), short_(long_) {
    if (tokens <= kFewTokens) {
      long_ = std::min(long_, round_up(ceil_div(rows, 4 * threads), kRowGrain));
      short_ = std::min(long_, kLastRows);
    }
    const std::size_t cut = short_ < long_ ? std::min(rows, long_ * threads) : 0;
    longs_ = (rows - cut) / long_;
  }

  constexpr std::size_t count() const noexcept { return longs_ + ceil_div(rows_ - longs_ * long_, short_); }

  constexpr RowPiece operator[](std::size_t index) const noexcept {
    if (index < longs_) return {index * long_, (index + 1) * long_};
    const std::size_t begin = longs_ * long_ + (index - longs_) * short_;
    return {begin, std::min(rows_, begin + short_)};
  }

 private:
  // Kernels read a piece of one token as four streams. With 528 rows of 2560 or 6912 columns their distance
  // is no multiple of a page; with 512 it is, and they compete for the same sets of the caches.
  static constexpr std::size_t kOneTokenRows = 528;
  static constexpr std::size_t kFewTokensRows = 256;
  // A piece of 256 rows is 11 to 30 µs of reading, and half of one is what a thread would wait for another at
  // the end of every product.
  static constexpr std::size_t kLastRows = 64;
  static constexpr std::size_t kRowGrain = 16;  // kernels work on several rows at a time

  std::size_t rows_;
  std::size_t long_;
  std::size_t short_;
  std::size_t longs_;
};

}  // namespace sterna
