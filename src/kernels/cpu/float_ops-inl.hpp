// Norms, activations, quantisation and rotary positions: one algorithm for every instruction set.
//
// Included inside namespace sterna::<isa>, after declarations-inl.hpp, simd.hpp and math-inl.hpp.

void rms_norm(const float* x, const float* weight, float eps, std::size_t n, float* out) {
  const float squares = canonical_sum(n, [=](std::size_t k, std::size_t count) {
    const F v = load_some(x + k, count);
    return v * v;
  });
  const F factor = splat(1.0f / square_root(squares / static_cast<float>(n) + eps));
  for_each(n, out, [=](std::size_t i, std::size_t count) {
    const F v = load_some(x + i, count) * factor;
    return weight == nullptr ? v : v * load_some(weight + i, count);
  });
}

QuantizeResult quantize(const float* x, std::size_t n, std::size_t padded, std::int8_t* out) {
  F lane_max = splat(0.0f);
  for (std::size_t i = 0; i < n; i += kLanes) {
    lane_max = greater(absolute(load_some(x + i, least(kLanes, n - i))), lane_max);  // passes over NaN
  }
  float max = 1e-5f;
  for (int j = 0; j < kLanes; ++j) max = lane_max[j] > max ? lane_max[j] : max;

  QuantizeResult result{127.0f / max, 0};
  const F scale = splat(result.scale);
  // Clamped before rounding, which is the same as after it and keeps the conversion in range: NaN gives −128.
  const auto codes = [=](std::size_t i, std::size_t count) {
    const F v = load_some(x + i, count) * scale;
    return round_to_int(lesser(greater(v, splat(-128.0f)), splat(127.0f)));
  };
  I sums = round_to_int(splat(0.0f));
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const I q = codes(i, kLanes);
    sums += q;
    store_i8(out + i, q);
  }
  for (int j = 0; j < kLanes; ++j) result.sum += sums[j];
  if (i < n) {
    const I q = codes(i, n - i);
    for (int j = 0; i < n; ++i, ++j) {
      out[i] = static_cast<std::int8_t>(q[j]);
      result.sum += q[j];
    }
  }
  for (; i < padded; ++i) out[i] = 0;
  return result;
}

void silu_mul(const float* gate, const float* up, std::size_t n, float* out) {
  for_each(n, out, [=](std::size_t i, std::size_t count) {
    const F g = load_some(gate + i, count);
    return g / (splat(1.0f) + exponential(-g)) * load_some(up + i, count);
  });
}

void relu2_mul(const float* gate, const float* up, std::size_t n, float* out) {
  for_each(n, out, [=](std::size_t i, std::size_t count) {
    const F positive = greater(splat(0.0f), load_some(gate + i, count));  // NaN stays
    return positive * positive * load_some(up + i, count);
  });
}

void gelu_mul(const float* gate, const float* up, std::size_t n, float* out) {
  // g/2 · (1 + tanh u) = g / (1 + e^(−2u)), u = √(2/π) · (g + 0.044715 g³)
  const F slope = splat(1.5957691216f);  // 2·√(2/π)
  for_each(n, out, [=](std::size_t i, std::size_t count) {
    const F g = load_some(gate + i, count);
    const F twice_u = slope * (g + splat(0.044715f) * (g * g * g));
    return g / (splat(1.0f) + exponential(-twice_u)) * load_some(up + i, count);
  });
}

void add(float* acc, const float* x, std::size_t n) {
  for_each(n, acc, [=](std::size_t i, std::size_t count) {
    return load_some(acc + i, count) + load_some(x + i, count);
  });
}

void rope(float* x, const float* cosines, const float* sines, std::size_t n) {
  const std::size_t half = n / 2;
  for (std::size_t i = 0; i < half; i += kLanes) {
    const std::size_t count = least(kLanes, half - i);
    const F a = load_some(x + i, count);
    const F b = load_some(x + half + i, count);
    const F cosine = load_some(cosines + i, count);
    const F sine = load_some(sines + i, count);
    store_some(x + i, a * cosine - b * sine, count);
    store_some(x + half + i, b * cosine + a * sine, count);
  }
}

void scale_rows(const std::int32_t* in, float activation_scale, float weight_scale, const float* row_scales,
                const float* bias, std::size_t n, float* out) {
  const auto scaled = [=](I sums, std::size_t i, std::size_t count) {
    F scale = splat(weight_scale);
    if (row_scales != nullptr) scale = scale * load_some(row_scales + i, count);
    const F v = to_float(sums) / splat(activation_scale) * scale;
    return bias == nullptr ? v : v + load_some(bias + i, count);
  };
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, scaled(load_i32(in + i), i, kLanes));
  if (i < n) {
    std::int32_t last[kLanes] = {};
    for (std::size_t j = 0; i + j < n; ++j) last[j] = in[i + j];
    store(out + i, scaled(load_i32(last), i, n - i), n - i);
  }
}
