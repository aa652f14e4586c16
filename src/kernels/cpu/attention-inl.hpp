// Attention over cached keys and values in canonical order, so that a token's numbers do not depend on the
// tokens beside it or the instruction set.
//
// Included inside namespace sterna::<isa>, after weights-inl.hpp.

namespace {

/// Σ_k row(k) · x[k] but for the last of the tree: sum_lanes of it is the product.
template <class Reader>
[[gnu::always_inline]] inline F dot_lanes(const std::byte* row, const float* x, std::size_t n) {
  F sum[kVectors];
  for (F& p : sum) p = splat(0.0f);
  Reader weights(row);
  F w[kVectors];
  std::size_t k = 0;
  for (; k + kPartials <= n; k += kPartials) {
    weights.next(w);
    for (int j = 0; j < kVectors; ++j) sum[j] += w[j] * load(x + k + j * kLanes);
  }
  if (k < n) {
    F last_x[kVectors];
    weights.last(n - k, w);
    load_last(x + k, n - k, last_x);
    for (int j = 0; j < kVectors; ++j) sum[j] += w[j] * last_x[j];
  }
  return tree(sum);
}

/// scores[p] = (q · K_p) · scale; gives the largest, NaN apart.
template <class Reader>
inline float score_positions(const AttentionArgs& a) {
  const auto* keys = static_cast<const std::byte*>(a.keys);
  const std::size_t row_bytes = a.head_dim * Reader::kElement;
  F lane_max = splat(-__builtin_inff());
  std::size_t p = 0;
  for (; p + kLanes <= a.positions; p += kLanes) {
    F products[kLanes];
    for (std::size_t i = 0; i < kLanes; ++i) {
      products[i] = dot_lanes<Reader>(keys + (p + i) * row_bytes, a.query, a.head_dim);
    }
    const F scores = sum_each(products) * splat(a.scale);
    lane_max = greater(scores, lane_max);
    store(a.scores + p, scores);
  }
  float max = lane_max[0];
  for (int i = 1; i < kLanes; ++i) max = lane_max[i] > max ? lane_max[i] : max;
  for (; p < a.positions; ++p) {
    const float score = sum_lanes(dot_lanes<Reader>(keys + p * row_bytes, a.query, a.head_dim)) * a.scale;
    max = score > max ? score : max;
    a.scores[p] = score;
  }
  return max;
}

/// out = Σ_p scores[p] · V_p / sum in the order of positions, for kBlocks · 32 elements from d on, the last
/// of them perhaps beyond head_dim.
template <class Reader, int kBlocks>
inline void mix_values(const AttentionArgs& a, std::size_t d, F sum) {
  const std::size_t row_bytes = a.head_dim * Reader::kElement;
  const std::byte* value = static_cast<const std::byte*>(a.values) + d * Reader::kElement;
  F acc[kBlocks][kVectors];
  for (auto& block : acc) {
    for (F& v : block) v = splat(0.0f);
  }
  const bool whole = d + kBlocks * kPartials <= a.head_dim;
  for (std::size_t p = 0; p < a.positions; ++p, value += row_bytes) {
    Reader from(value);
    const F score = splat(a.scores[p]);
    for (auto& block : acc) {
      F w[kVectors];
      if (whole) {
        from.next(w);
      } else {
        from.last(a.head_dim - d, w);
      }
      for (int j = 0; j < kVectors; ++j) block[j] += score * w[j];
    }
  }
  for (int b = 0; b < kBlocks; ++b) {
    const std::size_t at = d + b * kPartials;
    for (int j = 0; j < kVectors; ++j) {
      const std::size_t count = lanes_left(a.head_dim - at, j);
      if (count > 0) store_some(a.out + at + j * kLanes, acc[b][j] / sum, count);
    }
  }
}

template <class Reader>
inline void attention(const AttentionArgs& a) {
  const F max = splat(score_positions<Reader>(a));
  float* scores = a.scores;
  for_each(a.positions, scores,
           [=](std::size_t p, std::size_t count) { return exponential(load_some(scores + p, count) - max); });
  const F sum = splat(canonical_sum(
      a.positions, [=](std::size_t p, std::size_t count) { return load_some(scores + p, count); }));
  std::size_t d = 0;
  for (; d + 2 * kPartials <= a.head_dim; d += 2 * kPartials) mix_values<Reader, 2>(a, d, sum);
  for (; d < a.head_dim; d += kPartials) mix_values<Reader, 1>(a, d, sum);
}

}  // namespace

void attention_f32(const AttentionArgs& args) {
  attention<F32Reader>(args);
}
void attention_f16(const AttentionArgs& args) {
  attention<F16Reader>(args);
}
