// How a product is cut into pieces, of which each thread takes the next when it is done with one.
#pragma once

#include <algorithm>
#include <cstddef>

#include "backend/dispatch.hpp"
#include "base/checked.hpp"

namespace sterna {

/// Rows [begin, end) of the matrix and tokens [first, last).
struct ProductPiece {
  std::size_t begin;
  std::size_t end;
  std::size_t first;
  std::size_t last;

  constexpr std::size_t rows() const noexcept { return end - begin; }
  constexpr std::size_t tokens() const noexcept { return last - first; }
};

/// With many tokens, bound by arithmetic, a piece is as large as the kernel takes at a time, and all rows
/// come with the first tokens before any comes with later ones. With one token or a few, bound by reading the
/// weights, pieces are long streams. Where threads share them they are several for each, and the last of
/// every thread is cut into small ones.
class ProductPieces {
 public:
  /// Elements of the results of the largest piece of any product with up to `tokens` tokens.
  static constexpr std::size_t most(std::size_t tokens, std::size_t rows_at_a_time) {
    return std::max({tokens * rows_at_a_time, kOneTokenRows, kFewTokens * kFewTokensRows});
  }

  constexpr ProductPieces(std::size_t rows, std::size_t cols, std::size_t tokens, std::size_t threads,
                          const PieceShape& many)
      : rows_(rows), tokens_(tokens), together_(tokens) {
    if (tokens > kFewTokens) {
      long_ = short_ = many.rows;
      const std::size_t fit = std::max(many.activation_bytes / cols, kTokenGrain) / kTokenGrain * kTokenGrain;
      const std::size_t blocks = ceil_div(tokens, fit);  // all about equally long
      together_ = round_up(ceil_div(tokens, blocks), kTokenGrain);
    } else {
      const std::size_t most = tokens == 1 ? kOneTokenRows : kFewTokensRows;
      const std::size_t share = threads == 1 ? rows : ceil_div(rows, 4 * threads);
      long_ = std::min(most, round_up(share, kRowGrain));
      short_ = threads == 1 ? long_ : std::min(long_, kLastRows);
    }
    const std::size_t cut = short_ < long_ ? std::min(rows, long_ * threads) : 0;
    longs_ = (rows - cut) / long_;
    of_all_rows_ = longs_ + ceil_div(rows_ - longs_ * long_, short_);
  }

  constexpr std::size_t count() const noexcept { return of_all_rows_ * ceil_div(tokens_, together_); }

  constexpr ProductPiece operator[](std::size_t index) const noexcept {
    const std::size_t first = index / of_all_rows_ * together_;
    const std::size_t last = std::min(tokens_, first + together_);
    index %= of_all_rows_;
    if (index < longs_) return {index * long_, (index + 1) * long_, first, last};
    const std::size_t begin = longs_ * long_ + (index - longs_) * short_;
    return {begin, std::min(rows_, begin + short_), first, last};
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
  // And on several tokens; fewer than 64 would have the codes unpacked too often.
  static constexpr std::size_t kTokenGrain = 64;

  std::size_t rows_;
  std::size_t tokens_;
  std::size_t together_;  ///< tokens of a piece
  std::size_t long_;
  std::size_t short_;
  std::size_t longs_;
  std::size_t of_all_rows_;  ///< pieces
};

}  // namespace sterna
