// The linear layers of the forward pass: inputs normalised and quantised, products dealt to threads piece by
// piece, and what is done with a piece while it is in the cache.
#include <algorithm>
#include <array>

#include "backend/product_pieces.hpp"
#include "base/checked.hpp"
#include "model/forward.hpp"

namespace sterna {

/// work(piece, thread) for the pieces of a product of `tokens` tokens.
void Forward::deal_product(std::size_t rows, std::size_t cols, std::size_t tokens, Matrices next,
                           FunctionRef<void(const ProductPiece& piece, unsigned thread)> work) {
  const ProductPieces pieces(rows, cols, tokens, pool_.size(), many_tokens_piece_);
  pool_.deal(
      pieces.count(), [&](std::size_t item, unsigned thread) { work(pieces[item], thread); },
      [&](unsigned thread) { return first_weights(next, thread); });
}

/// What a thread of a product of one token with these matrices begins with.
std::span<const std::byte> Forward::first_weights(Matrices matrices, unsigned thread) const {
  // What a thread may read in the longest of waits, 10 µs, and a small part of its second-level cache.
  constexpr std::size_t kMost = 128 * 1024;
  std::size_t rows = 0;
  for (const Matrix* matrix : matrices) rows += matrix->rows;
  if (tokens_ > 1 || rows == 0) return {};
  const ProductPieces pieces(rows, config_.hidden, 1, pool_.size(), many_tokens_piece_);
  if (thread >= pieces.count()) return {};
  std::size_t row = pieces[thread].begin;
  for (const Matrix* matrix : matrices) {
    if (row < matrix->rows) {
      return {matrix->data + row * matrix->stride, std::min(kMost, (matrix->rows - row) * matrix->stride)};
    }
    row -= matrix->rows;
  }
  return {};
}

/// Normalises the input and writes it in every form that the products take. Where matrices have norms of
/// their own, the products are one.
void Forward::feed(const Input& input, std::span<const Product> products) {
  const std::size_t n = input.size;
  const std::size_t padded = round_up(n, kActivationPadding);
  const Linear& first = *products.front().linear;
  bool codes = false, codes16 = false, floats = false;
  for (const Product& product : products) {
    const Matrix& matrix = product.linear->matrix;
    (matrix.ternary ? codes : takes_codes16(matrix.dtype) ? codes16 : floats) = true;
  }
  if (observer_) floats = true;
  for_each(tokens_, [&](std::size_t t, unsigned thread) {
    const float* x = input.rows + t * n;
    float* row = floats ? input_.data() + t * n : row_.data() + thread * widest_;
    const auto normalise = [&](const std::vector<float>& norm, float eps) {
      if (norm.empty()) return;
      kernels_->floats.rms_norm(x, norm.data(), eps, n, row);
      x = row;
    };
    normalise(input.norm, config_.norm_eps);
    normalise(first.input_norm, first.input_norm_eps);
    if (codes) {
      const QuantizeResult result = kernels_->floats.quantize(x, n, padded, codes_.data() + t * padded);
      code_scales_[t] = result.scale;
      code_sums_[t] = result.sum;
    }
    if (codes16) quantise16(x, t, n);
    if (floats && x != row) std::copy_n(x, n, row);
  });
  if (observer_) observer_(first, input_.data(), tokens_);
}

void Forward::quantise16(const float* x, std::size_t token, std::size_t n) {
  code16_scales_[token] = kernels_->floats.quantize16(x, n, codes16_.data() + token * n);
}

void Forward::multiply(const Input& input, std::span<const Product> products) {
  const auto has_norm = [](const Product& p) { return !p.linear->input_norm.empty(); };
  if (products.size() > 1 && std::ranges::any_of(products, has_norm)) {
    for (const Product& product : products) multiply(input, {&product, 1});
    return;
  }
  feed(input, products);
  std::size_t rows = 0;
  for (const Product& product : products) rows += product.linear->matrix.rows;
  // One parallel region over the rows of all products together.
  deal_product(rows, input.size, tokens_, {}, [&](const ProductPiece& piece, unsigned thread) {
    std::size_t first = 0;
    for (const Product& product : products) {
      const std::size_t count = product.linear->matrix.rows;
      const std::size_t from = std::max(piece.begin, first);
      const std::size_t to = std::min(piece.end, first + count);
      if (from < to) {
        const ProductPiece part{from - first, to - first, piece.first, piece.last};
        multiply_piece(*product.linear, part, thread,
                       product.out + part.first * product.out_stride + part.begin, product.out_stride);
      }
      first += count;
    }
  });
}

/// gated = act(W_gate · input) ∘ (W_up · input). Both products of a piece of rows meet in the cache; of a
/// long prompt they would else go to memory and back.
void Forward::multiply_gated(const Input& input, const Linear& gate, const Linear& up, const Linear& next) {
  const auto activate = config_.activation == Activation::Relu2  ? kernels_->floats.relu2_mul
                        : config_.activation == Activation::Silu ? kernels_->floats.silu_mul
                                                                 : kernels_->floats.gelu_mul;
  const std::array products{Product{&gate, nullptr, 0}, Product{&up, nullptr, 0}};
  // With norms of their own the two need different codes: one after the other then.
  const bool together = gate.input_norm.empty() && up.input_norm.empty();
  if (!together) {
    multiply(input, std::array{Product{&gate, gated_.data(), config_.ffn}});
    feed(input, std::span(products).last(1));
  } else {
    feed(input, products);
  }
  deal_product(config_.ffn, input.size, tokens_, {&next.matrix},
               [&](const ProductPiece& piece, unsigned thread) {
                 float* gates = pieces_.data() + thread * 2 * piece_size_;
                 float* ups = gates + piece_size_;
                 float* out = gated_.data() + piece.first * config_.ffn + piece.begin;
                 if (together) multiply_piece(gate, piece, thread, gates, piece.rows());
                 multiply_piece(up, piece, thread, ups, piece.rows());
                 activate({.gate = together ? gates : out,
                           .gate_stride = together ? piece.rows() : config_.ffn,
                           .up = ups,
                           .up_stride = piece.rows(),
                           .tokens = piece.tokens(),
                           .n = piece.rows(),
                           .out = out,
                           .out_stride = config_.ffn});
               });
}

/// x += W · input
void Forward::multiply_and_add(const Input& input, const Linear& linear, Matrices next) {
  feed(input, std::array{Product{&linear, nullptr, 0}});
  deal_product(config_.hidden, input.size, tokens_, next, [&](const ProductPiece& piece, unsigned thread) {
    float* product = pieces_.data() + thread * 2 * piece_size_;
    multiply_piece(linear, piece, thread, product, piece.rows());
    kernels_->floats.add({.acc = x_.data() + piece.first * config_.hidden + piece.begin,
                          .acc_stride = config_.hidden,
                          .x = product,
                          .x_stride = piece.rows(),
                          .tokens = piece.tokens(),
                          .n = piece.rows()});
  });
}

/// out[t · out_stride + r] = row piece.begin + r of W · input of token piece.first + t
void Forward::multiply_piece(const Linear& linear, const ProductPiece& piece, unsigned thread, float* out,
                             std::size_t out_stride) {
  const Matrix& matrix = linear.matrix;
  const std::size_t rows = piece.rows();
  const float* bias = linear.bias.empty() ? nullptr : linear.bias.data() + piece.begin;
  if (!matrix.ternary) {
    dense_kernel(kernels_->floats, matrix.dtype)(
        {.weights = matrix.data + piece.begin * matrix.stride,
         .weight_stride = matrix.stride,
         .cols = matrix.cols,
         .x = input_.data() + piece.first * matrix.cols,
         .x_stride = matrix.cols,
         .tokens = piece.tokens(),
         .row_begin = 0,
         .row_end = rows,
         .out = out,
         .out_stride = out_stride,
         .codes = codes16_.empty() ? nullptr : codes16_.data() + piece.first * matrix.cols,
         .codes_stride = matrix.cols,
         .code_scales = code16_scales_.data() + piece.first});
    if (bias) {
      kernels_->floats.add({.acc = out,
                            .acc_stride = out_stride,
                            .x = bias,
                            .x_stride = 0,
                            .tokens = piece.tokens(),
                            .n = rows});
    }
    return;
  }
  std::int32_t* sums = sums_.data() + thread * piece_size_;
  const std::size_t padded = round_up<std::size_t>(matrix.cols, kActivationPadding);
  ternary_kernel(*kernels_, matrix.dtype)
      ->run({.weights = reinterpret_cast<const std::uint8_t*>(matrix.data + piece.begin * matrix.stride),
             .weight_stride = matrix.stride,
             .cols = matrix.cols,
             .x = codes_.data() + piece.first * padded,
             .x_stride = padded,
             .x_sums = code_sums_.data() + piece.first,
             .tokens = piece.tokens(),
             .row_begin = 0,
             .row_end = rows,
             .out = sums,
             .out_stride = rows});
  kernels_->floats.scale_rows(
      {.sums = sums,
       .sums_stride = rows,
       .activation_scales = code_scales_.data() + piece.first,
       .weight_scale = matrix.scale,
       .row_scales = matrix.row_scales.empty() ? nullptr : matrix.row_scales.data() + piece.begin,
       .bias = bias,
       .tokens = piece.tokens(),
       .rows = rows,
       .out = out,
       .out_stride = out_stride});
}

}  // namespace sterna
