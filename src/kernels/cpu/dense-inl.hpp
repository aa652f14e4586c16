// Products of dense matrices and of cached keys and values: canonical order, so that a token's numbers do not
// depend on the tokens beside it, the split of the rows, or the instruction set.
//
// Included inside namespace sterna::<isa>, after weights-inl.hpp.

namespace {

/// out[t · out_stride] = Σ_k row(k) · x[t · x_stride + k]
template <class Reader, int kTokens>
inline void dot(const std::byte* row, const float* x, std::size_t x_stride, std::size_t n, float* out,
                std::size_t out_stride) {
  F sum[kTokens][kVectors];
  for (auto& partials : sum) {
    for (F& p : partials) p = splat(0.0f);
  }
  Reader weights(row);
  F w[kVectors];
  std::size_t k = 0;
  for (; k + kPartials <= n; k += kPartials) {
    weights.next(w);
    for (int j = 0; j < kVectors; ++j) {
      for (int t = 0; t < kTokens; ++t) sum[t][j] += w[j] * load(x + t * x_stride + k + j * kLanes);
    }
  }
  if (k < n) {
    weights.last(n - k, w);
    for (int j = 0; j < kVectors; ++j) {
      const std::size_t count = lanes_left(n - k, j);
      if (count == 0) continue;
      for (int t = 0; t < kTokens; ++t) {
        sum[t][j] += w[j] * load_some(x + t * x_stride + k + j * kLanes, count);
      }
    }
  }
  for (int t = 0; t < kTokens; ++t) out[t * out_stride] = reduce(sum[t]);
}

/// The row as float32, with zeros to a multiple of 32.
template <class Reader>
inline void decode_row(const std::byte* row, std::size_t n, float* out) {
  Reader weights(row);
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

template <class Reader>
inline void dense(const DenseArgs& a) {
  // Sums of 3 tokens in 4 vectors each leave 4 of 16 registers for the weights and a product.
  constexpr int kTokens = 3;
  for (std::size_t r = a.row_begin; r < a.row_end; ++r) {
    const std::byte* row = a.weights + r * a.weight_stride;
    if (a.tokens == 1) {
      dot<Reader, 1>(row, a.x, 0, a.cols, a.out + r, 0);
      continue;
    }
    decode_row<Reader>(row, a.cols, a.scratch);  // once, for all tokens
    const auto* values = reinterpret_cast<const std::byte*>(a.scratch);
    std::size_t m = 0;
    for (; m + kTokens <= a.tokens; m += kTokens) {
      dot<F32Reader, kTokens>(values, a.x + m * a.x_stride, a.x_stride, a.cols, a.out + m * a.out_stride + r,
                              a.out_stride);
    }
    for (; m < a.tokens; ++m) {
      dot<F32Reader, 1>(values, a.x + m * a.x_stride, 0, a.cols, a.out + m * a.out_stride + r, 0);
    }
  }
}

template <class Reader>
inline void attention(const AttentionArgs& a) {
  const auto* keys = static_cast<const std::byte*>(a.keys);
  const auto* values = static_cast<const std::byte*>(a.values);
  const std::size_t row_bytes = a.head_dim * Reader::kElement;
  float max = -__builtin_inff();
  for (std::size_t p = 0; p < a.positions; ++p) {
    dot<Reader, 1>(keys + p * row_bytes, a.query, 0, a.head_dim, a.scores + p, 0);
    a.scores[p] *= a.scale;
    max = a.scores[p] > max ? a.scores[p] : max;
  }
  float* scores = a.scores;
  for_each(a.positions, scores, [=](std::size_t p, std::size_t count) {
    return exponential(load_some(scores + p, count) - splat(max));
  });
  const F sum = splat(canonical_sum(
      a.positions, [=](std::size_t p, std::size_t count) { return load_some(scores + p, count); }));

  // Σ_p score_p · V_p in the order of positions, 32 elements at a time.
  for (std::size_t d = 0; d < a.head_dim; d += kPartials) {
    F acc[kVectors];
    for (F& v : acc) v = splat(0.0f);
    for (std::size_t p = 0; p < a.positions; ++p) {
      Reader from(values + p * row_bytes + d * Reader::kElement);
      F w[kVectors];
      if (d + kPartials <= a.head_dim) {
        from.next(w);
      } else {
        from.last(a.head_dim - d, w);
      }
      const F score = splat(scores[p]);
      for (int j = 0; j < kVectors; ++j) acc[j] += score * w[j];
    }
    for (int j = 0; j < kVectors; ++j) {
      const std::size_t count = lanes_left(a.head_dim - d, j);
      if (count > 0) store_some(a.out + d + j * kLanes, acc[j] / sum, count);
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
void dense_q8_0(const DenseArgs& args) {
  dense<Q8_0Reader>(args);
}
void dense_q6_k(const DenseArgs& args) {
  dense<Q6KReader>(args);
}
void dense_q4_0(const DenseArgs& args) {
  dense<Q4_0Reader>(args);
}

void attention_f32(const AttentionArgs& args) {
  attention<F32Reader>(args);
}
void attention_f16(const AttentionArgs& args) {
  attention<F16Reader>(args);
}
