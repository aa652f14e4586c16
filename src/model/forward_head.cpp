// The head of the forward pass: the last hidden states to logits, all or those that are needed.
#include <algorithm>
#include <limits>

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
  deal_rows(weights_.head.matrix.rows, count,
            [&](std::size_t begin, std::size_t end, unsigned) { head_rows(first, count, begin, end, out); });
}

void Forward::logits(std::size_t index, const NeededLogits& needed, float* out) {
  const Matrix& head = weights_.head.matrix;
  feed_head(index, 1);
  const std::int16_t* codes = takes_codes16(head.dtype) ? codes16_.data() : nullptr;
  if (!screen_ || !screen_->start(needed, hidden(index).data(), codes, code16_scales_[0])) {
    return logits(index, 1, out);
  }
  deal_rows(head.rows, 1, [&](std::size_t begin, std::size_t end, unsigned) { screen_->bound(begin, end); });
  std::fill_n(out, head.rows, -std::numeric_limits<float>::infinity());
  const auto compute = [&](std::span<const std::int32_t> ids) {
    if (ids.empty()) return;
    deal_rows(ids.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t i = begin, next = begin; i < end; i = next) {  // neighbours together
        const auto row = static_cast<std::size_t>(ids[i]);
        while (next < end && static_cast<std::size_t>(ids[next]) == row + (next - i)) ++next;
        if (next < end) prefetch_row(head, static_cast<std::size_t>(ids[next]));
        head_rows(index, 1, row, row + (next - i), out);
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

/// Rows [begin, end) of the logits of tokens [first, first + count).
void Forward::head_rows(std::size_t first, std::size_t count, std::size_t begin, std::size_t end,
                        float* out) {
  const Matrix& head = weights_.head.matrix;
  dense_kernel(dispatch_.of(count).floats, head.dtype)({.weights = head.data,
                                                        .weight_stride = head.stride,
                                                        .cols = head.cols,
                                                        .x = final_.data() + first * config_.hidden,
                                                        .x_stride = config_.hidden,
                                                        .tokens = count,
                                                        .row_begin = begin,
                                                        .row_end = end,
                                                        .out = out,
                                                        .out_stride = head.rows,
                                                        .codes = codes16_.data(),
                                                        .codes_stride = head.cols,
                                                        .code_scales = code16_scales_.data()});
  if (weights_.head.bias.empty()) return;
  for (std::size_t t = 0; t < count; ++t) {
    kernels_->floats.add(out + t * head.rows + begin, weights_.head.bias.data() + begin, end - begin);
  }
}

}  // namespace sterna
