// The head of the forward pass: the last hidden states to logits, all or those that are needed.
#include <algorithm>
#include <limits>

#include "backend/product_pieces.hpp"
#include "model/forward.hpp"

namespace sterna {
namespace {

/// Asks for a row that lies apart from those before it, while these are computed.
void prefetch_row(const Matrix& matrix, std::size_t row) {
  constexpr std::size_t kLine = 64;
  for (std::size_t at = 0; at < matrix.stride; at += kLine)
    __builtin_prefetch(matrix.data + row * matrix.stride + at);
}

}  // namespace

void Forward::logits(std::size_t first, std::size_t count, float* out) {
  feed_head(first, count);
  const Matrix& head = weights_.head.matrix;
  deal_product(head.rows, head.cols, count, {},
               [&](const ProductPiece& piece, unsigned) { multiply_head(first, piece, out); });
}

void Forward::logits(std::size_t index, const NeededLogits& needed, float* out) {
  const Matrix& head = weights_.head.matrix;
  feed_head(index, 1);
  const std::int16_t* codes = takes_codes16(head.dtype) ? codes16_.data() : nullptr;
  if (!screen_ || !screen_->start(needed, hidden(index).data(), codes, code16_scales_[0])) {
    return logits(index, 1, out);
  }
  deal_product(head.rows, head.cols, 1, {},
               [&](const ProductPiece& piece, unsigned) { screen_->bound(piece.begin, piece.end); });
  std::fill_n(out, head.rows, -std::numeric_limits<float>::infinity());
  const auto compute = [&](std::span<const std::int32_t> ids) {
    if (ids.empty()) return;
    deal_product(ids.size(), head.cols, 1, {}, [&](const ProductPiece& piece, unsigned) {
      for (std::size_t i = piece.begin, next = i; i < piece.end; i = next) {  // neighbours together
        const auto row = static_cast<std::size_t>(ids[i]);
        while (next < piece.end && static_cast<std::size_t>(ids[next]) == row + (next - i)) ++next;
        if (next < piece.end) prefetch_row(head, static_cast<std::size_t>(ids[next]));
        multiply_head(index, {row, row + (next - i), 0, 1}, out);
      }
    });
  };
  compute(screen_->best());
  compute(screen_->rest(out));
}

void Forward::feed_head(std::size_t first, std::size_t count) {
  const Matrix& head = weights_.head.matrix;
  if (!takes_codes16(head.dtype)) return;
  for (std::size_t t = 0; t < count; ++t) quantise16(hidden(first + t).data(), t, head.cols);
}

/// A piece of the logits of the tokens from `first` on.
void Forward::multiply_head(std::size_t first, const ProductPiece& piece, float* out) {
  const Matrix& head = weights_.head.matrix;
  out += piece.first * head.rows;
  dense_kernel(dispatch_.of(piece.tokens()).floats,
               head.dtype)({.weights = head.data,
                            .weight_stride = head.stride,
                            .cols = head.cols,
                            .x = final_.data() + (first + piece.first) * config_.hidden,
                            .x_stride = config_.hidden,
                            .tokens = piece.tokens(),
                            .row_begin = piece.begin,
                            .row_end = piece.end,
                            .out = out,
                            .out_stride = head.rows,
                            .codes = codes16_.empty() ? nullptr : codes16_.data() + piece.first * head.cols,
                            .codes_stride = head.cols,
                            .code_scales = code16_scales_.data() + piece.first});
  if (weights_.head.bias.empty()) return;
  kernels_->floats.add({.acc = out + piece.begin,
                        .acc_stride = head.rows,
                        .x = weights_.head.bias.data() + piece.begin,
                        .x_stride = 0,
                        .tokens = piece.tokens(),
                        .n = piece.rows()});
}

}  // namespace sterna
