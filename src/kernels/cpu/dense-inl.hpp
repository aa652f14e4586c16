// Products of dense matrices in canonical order, so that a token's numbers do not depend on the tokens beside
// it, the split of the rows, or the instruction set.
//
// Included inside namespace sterna::<isa>, after weights-inl.hpp.

namespace {

/// out[r] = Σ_k row(k) · x[k] of kRows rows, `step` bytes apart.
template <class Reader, int kRows>
inline void dot_rows(const std::byte* row, std::size_t step, const float* x, std::size_t n,
                     float (&out)[kRows]) {
  constexpr std::size_t kBytes = kPartials * Reader::kElement;
  F sum[kRows][kVectors];
  for (auto& of_row : sum) {
    for (F& p : of_row) p = splat(0.0f);
  }
  F w[kVectors];
  std::size_t k = 0;
  for (; k + kPartials <= n; k += kPartials, row += kBytes) {
    for (int r = 0; r < kRows; ++r) {
      read_ahead(row + r * step, kBytes);
      Reader(row + r * step).next(w);
      for (int j = 0; j < kVectors; ++j) sum[r][j] += w[j] * load(x + k + j * kLanes);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    if (k < n) {
      F last_x[kVectors];
      Reader(row + r * step).last(n - k, w);
      load_last(x + k, n - k, last_x);
      for (int j = 0; j < kVectors; ++j) sum[r][j] += w[j] * last_x[j];
    }
    out[r] = sum_lanes(tree(sum[r]));
  }
}

// Several tokens: a tile of rows is decoded piece by piece, and each piece used for all tokens of a block
// while it is in the first-level cache; between pieces the partial sums wait in memory.
constexpr std::size_t kTileRows = 8;
constexpr std::size_t kBlockTokens = 24;
// Sums of 3 tokens in 4 vectors each leave 4 of 16 registers for the weights and a product.
constexpr std::size_t kStepTokens = 3;

struct Tile {
  alignas(64) float weights[kTileRows][kPieceCols];
  alignas(64) float sums[kTileRows][kBlockTokens][kPartials];
};

/// The piece as float32, with zeros to a multiple of 32.
template <class Reader>
inline void decode_piece(const std::byte* piece, std::size_t n, float* out) {
  Reader weights(piece);
  F w[kVectors];
  for (std::size_t k = 0; k < n; k += kPartials) {
    if (k + kPartials <= n) {
      weights.next(w);
    } else {
      weights.last(n - k, w);
    }
    for (int j = 0; j < kVectors; ++j) store(out + k + j * kLanes, w[j]);
  }
}

/// sums[t][i] += weights[k] · x[t · x_stride + k] for k ≡ i mod 32, k < n
template <int kTokens>
inline void accumulate(const float* weights, const float* x, std::size_t x_stride, std::size_t n,
                       float (*sums)[kPartials]) {
  F sum[kTokens][kVectors];
  for (int t = 0; t < kTokens; ++t) {
    for (int j = 0; j < kVectors; ++j) sum[t][j] = load(sums[t] + j * kLanes);
  }
  std::size_t k = 0;
  for (; k + kPartials <= n; k += kPartials) {
    for (int j = 0; j < kVectors; ++j) {
      const F w = load(weights + k + j * kLanes);
      for (int t = 0; t < kTokens; ++t) sum[t][j] += w * load(x + t * x_stride + k + j * kLanes);
    }
  }
  if (k < n) {
    for (int t = 0; t < kTokens; ++t) {
      F last_x[kVectors];
      load_last(x + t * x_stride + k, n - k, last_x);
      for (int j = 0; j < kVectors; ++j) sum[t][j] += load(weights + k + j * kLanes) * last_x[j];
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    for (int j = 0; j < kVectors; ++j) store(sums[t] + j * kLanes, sum[t][j]);
  }
}

/// Tokens [token, token + tokens) of rows [row, row + rows).
template <class Reader>
inline void multiply_tile(const DenseArgs& a, std::size_t row, std::size_t rows, std::size_t token,
                          std::size_t tokens) {
  Tile tile;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t t = 0; t < tokens; ++t) {
      for (float& sum : tile.sums[r][t]) sum = 0.0f;
    }
  }
  for (std::size_t k = 0; k < a.cols; k += kPieceCols) {
    const std::size_t cols = least(kPieceCols, a.cols - k);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::byte* piece = a.weights + (row + r) * a.weight_stride + k / kPieceCols * Reader::kPieceBytes;
      decode_piece<Reader>(piece, cols, tile.weights[r]);
    }
    std::size_t t = 0;
    for (; t + kStepTokens <= tokens; t += kStepTokens) {
      const float* x = a.x + (token + t) * a.x_stride + k;
      for (std::size_t r = 0; r < rows; ++r) {
        accumulate<kStepTokens>(tile.weights[r], x, a.x_stride, cols, tile.sums[r] + t);
      }
    }
    for (; t < tokens; ++t) {
      const float* x = a.x + (token + t) * a.x_stride + k;
      for (std::size_t r = 0; r < rows; ++r) accumulate<1>(tile.weights[r], x, 0, cols, tile.sums[r] + t);
    }
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t t = 0; t < tokens; ++t) {
      F sum[kVectors];
      for (int j = 0; j < kVectors; ++j) sum[j] = load(tile.sums[r][t] + j * kLanes);
      a.out[(token + t) * a.out_stride + row + r] = sum_lanes(tree(sum));
    }
  }
}

template <class Reader>
inline void dense(const DenseArgs& a) {
  if (a.tokens == 1) {
    rows_in_streams(a.row_begin, a.row_end, [&]<int kRows>(std::size_t row, std::size_t step) {
      float sums[kRows];
      dot_rows<Reader>(a.weights + row * a.weight_stride, step * a.weight_stride, a.x, a.cols, sums);
      for (int r = 0; r < kRows; ++r) a.out[row + r * step] = sums[r];
    });
    return;
  }
  for (std::size_t row = a.row_begin; row < a.row_end; row += kTileRows) {
    const std::size_t rows = least(kTileRows, a.row_end - row);
    for (std::size_t token = 0; token < a.tokens; token += kBlockTokens) {
      multiply_tile<Reader>(a, row, rows, token, least(kBlockTokens, a.tokens - token));
    }
  }
}

}  // namespace

void dense_f32(const DenseArgs& args) {
  dense<F32Reader>(args);
}
void dense_f16(const DenseArgs& args) {
  dense<F16Reader>(args);
}
void dense_bf16(const DenseArgs& args) {
  dense<BF16Reader>(args);
}
