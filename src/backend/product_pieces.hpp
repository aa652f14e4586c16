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
/// weights, pieces are long streams: of what is left every thread is offered its share of two thirds, again
/// and again, so that the streams are as long as they can be and nobody waits long at the end.
class ProductPieces {
 public:
  /// Elements of the results of the largest piece of any product with up to `tokens` tokens.
  static constexpr std::size_t most(std::size_t tokens, std::size_t rows_at_a_time) {
    return std::max({tokens * rows_at_a_time, kOneTokenRows, kFewTokens * kFewTokensRows});
  }

  constexpr ProductPieces(std::size_t rows, std::size_t cols, std::size_t tokens, std::size_t threads,
                          const PieceShape& many)
      : rows_(rows), tokens_(tokens), threads_(threads) {
    if (tokens > kFewTokens) {
      at_a_time_ = many.rows;
      const std::size_t fit = std::max(many.activation_bytes / cols, kTokenGrain) / kTokenGrain * kTokenGrain;
      const std::size_t blocks = ceil_div(tokens, fit);  // all about equally long
      together_ = round_up(ceil_div(tokens, blocks), kTokenGrain);
    } else {
      at_a_time_ = tokens == 1 ? kOneTokenRows : kFewTokensRows;
    }
  }

  constexpr std::size_t count() const noexcept {
    if (together_ > 0) return ceil_div(rows_, at_a_time_) * ceil_div(tokens_, together_);
    std::size_t pieces = 0;
    for (std::size_t left = rows_; left > 0;) {
      const std::size_t of_round = std::min(threads_, ceil_div(left, share_of(left)));
      pieces += of_round;
      left -= std::min(left, of_round * share_of(left));
    }
    return pieces;
  }

  constexpr ProductPiece operator[](std::size_t index) const noexcept {
    std::size_t begin = 0, rows = at_a_time_, first = 0, last = tokens_;
    if (together_ > 0) {
      const std::size_t of_all_rows = ceil_div(rows_, at_a_time_);
      first = index / of_all_rows * together_;
      last = std::min(tokens_, first + together_);
      begin = index % of_all_rows * rows;
    } else {
      rows = share_of(rows_);
      for (; index >= threads_; index -= threads_) {
        begin += threads_ * rows;
        rows = share_of(rows_ - begin);
      }
      begin += index * rows;
    }
    return {begin, std::min(rows_, begin + rows), first, last};
  }

 private:
  // The sums of a piece of one token, 8 KB, and gate and up beside them stay in the first-level cache.
  static constexpr std::size_t kOneTokenRows = 2060;
  static constexpr std::size_t kFewTokensRows = 260;
  // At the end of a product a thread waits for half of a last piece: a 32nd of its share, but no less than
  // these, which begin with lines that nobody has asked for, and no more than 3 µs of reading.
  static constexpr std::size_t kLeastRows = 28;
  static constexpr std::size_t kLastRows = 60;
  // Several tokens at a time; fewer than 64 would have the codes unpacked too often.
  static constexpr std::size_t kTokenGrain = 64;

  /// About as many rows. Kernels read a piece as four streams; of an odd number of rows, so that their
  /// distance is a multiple of a page, where they would compete for the same sets of the caches, only if a
  /// row is.
  static constexpr std::size_t odd_fours(std::size_t rows) noexcept { return rows / 8 * 8 + 4; }

  /// The rows of a piece where `left` rows are left.
  constexpr std::size_t share_of(std::size_t left) const noexcept {
    const std::size_t share = threads_ == 1 ? left : left * 2 / 3 / threads_;
    const std::size_t last = std::clamp(odd_fours(rows_ / 32 / threads_), kLeastRows, kLastRows);
    return std::clamp(odd_fours(share), last, at_a_time_);
  }

  std::size_t rows_;
  std::size_t tokens_;
  std::size_t threads_;
  std::size_t at_a_time_;     ///< rows of a piece, of few tokens at most
  std::size_t together_ = 0;  ///< tokens of a piece; 0: few tokens, all
};

}  // namespace sterna
