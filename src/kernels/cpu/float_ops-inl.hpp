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
  QuantizeResult result{127.0f / largest_lane(greater(lane_max, splat(1e-5f))), 0};
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
  result.sum = sum_lanes(sums);
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

namespace {

/// out = f(gate) · up, token after token.
template <class Activation>
inline void gate_each(const GateArgs& a, Activation f) {
  for (std::size_t m = 0; m < a.tokens; ++m) {
    const float* gate = a.gate + m * a.gate_stride;
    const float* up = a.up + m * a.up_stride;
    for_each(a.n, a.out + m * a.out_stride, [=](std::size_t i, std::size_t count) {
      return f(load_some(gate + i, count)) * load_some(up + i, count);
    });
  }
}

}  // namespace

void silu_mul(const GateArgs& args) {
  gate_each(args, [](F g) { return g / (splat(1.0f) + exponential(-g)); });
}

void relu2_mul(const GateArgs& args) {
  gate_each(args, [](F g) {
    const F positive = greater(splat(0.0f), g);  // NaN stays
    return positive * positive;
  });
}

void gelu_mul(const GateArgs& args) {
  // g/2 · (1 + tanh u) = g / (1 + e^(−2u)), u = √(2/π) · (g + 0.044715 g³)
  const F slope = splat(1.5957691216f);  // 2·√(2/π)
  gate_each(args, [=](F g) {
    const F twice_u = slope * (g + splat(0.044715f) * (g * g * g));
    return g / (splat(1.0f) + exponential(-twice_u));
  });
}

void add(const AddArgs& a) {
  for (std::size_t m = 0; m < a.tokens; ++m) {
    float* acc = a.acc + m * a.acc_stride;
    const float* x = a.x + m * a.x_stride;
    for_each(a.n, acc, [=](std::size_t i, std::size_t count) {
      return load_some(acc + i, count) + load_some(x + i, count);
    });
  }
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

void scale_rows(const ScaleArgs& a) {
  for (std::size_t m = 0; m < a.tokens; ++m) {
    const std::int32_t* sums = a.sums + m * a.sums_stride;
    const Divisor activation_scale(a.activation_scales[m]);
    const auto scaled = [&](I sum, std::size_t i, std::size_t count) {
      F scale = splat(a.weight_scale);
      if (a.row_scales != nullptr) scale = scale * load_some(a.row_scales + i, count);
      const F v = activation_scale.divide(to_float(sum)) * scale;
      return a.bias == nullptr ? v : v + load_some(a.bias + i, count);
    };
    for_each(a.rows, a.out + m * a.out_stride, [&](std::size_t i, std::size_t count) {
      if (count == kLanes) return scaled(load_i32(sums + i), i, count);
      std::int32_t last[kLanes] = {};
      for (std::size_t j = 0; j < count; ++j) last[j] = sums[i + j];
      return scaled(load_i32(last), i, count);
    });
  }
}
