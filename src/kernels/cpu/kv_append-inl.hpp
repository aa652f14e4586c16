// Keys and values of a position into the blocks of the KV cache (kernels/kernel_args.hpp says where they
// lie).
//
// Included inside namespace sterna::<isa>, after attention-inl.hpp.

namespace {

/// Stores x times what makes its elements fit, and gives the scale to multiply them with: 1 but for int8,
/// where it is max|x| / 127 (0 for zeros) and a row that is not finite becomes NaN as a whole.
template <class Elements, class Put>
inline float encode(const float* x, std::size_t n, Put put) {
  float scale = 1.0f;
  float factor = 1.0f;
  if constexpr (kIntegers<Elements>) {
    factor = fit(x, n, 127.0f, scale);
  }
  for (std::size_t i = 0; i < n; i += kLanes) {
    const std::size_t count = least(kLanes, n - i);
    F v = load_some(x + i, count);
    if constexpr (kIntegers<Elements>) {
      v = clamp(v * splat(factor), 127.0f);
    }
    alignas(64) std::byte encoded[kLanes * Elements::kBytes];
    Elements::write(encoded, v);
    for (std::size_t k = 0; k < count; ++k) put(i + k, encoded + k * Elements::kBytes);
  }
  return scale;
}

template <class Elements>
inline void append(const KvAppendArgs& a) {
  constexpr std::size_t kBytes = Elements::kBytes;
  constexpr std::size_t kDepth = Elements::kDepth;
  std::byte* values = a.block + a.layout.values;
  // A cache line for every kDepth elements, asked for together before the stores take them in turn.
  for (std::size_t i = 0; i < a.head_dim; i += kDepth) {
    __builtin_prefetch(a.block + (i * kKvBlock + a.slot * kDepth) * kBytes, 1);
  }
  const float key_scale = encode<Elements>(a.key, a.head_dim, [&](std::size_t i, const std::byte* element) {
    const std::size_t at = (i / kDepth * kKvBlock + a.slot) * kDepth + i % kDepth;
    __builtin_memcpy(a.block + at * kBytes, element, kBytes);
  });
  const float value_scale =
      encode<Elements>(a.value, a.head_dim, [&](std::size_t i, const std::byte* element) {
        const std::size_t at = (a.slot / kDepth * a.layout.width + i) * kDepth + a.slot % kDepth;
        __builtin_memcpy(values + at * kBytes, element, kBytes);
      });
  if constexpr (!kIntegers<Elements>) return;
  reinterpret_cast<float*>(a.block + a.layout.key_scales)[a.slot] = key_scale;
  reinterpret_cast<float*>(a.block + a.layout.value_scales)[a.slot] = value_scale;
}

}  // namespace

void kv_append_f32(const KvAppendArgs& args) {
  append<F32Elements>(args);
}
void kv_append_f16(const KvAppendArgs& args) {
  append<F16Elements>(args);
}
void kv_append_i8(const KvAppendArgs& args) {
  append<I8Elements>(args);
}
