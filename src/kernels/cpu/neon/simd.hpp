// The vocabulary of the float operations in NEON, as every aarch64 has it: 4 lanes. Arithmetic is the
// compiler's own on vectors. The words mean the same on every instruction set, bit for bit:
// kernels/cpu/float_ops-inl.hpp is written in them. Included inside namespace sterna::neon, after
// <arm_neon.h>.

namespace {

using F = float __attribute__((vector_size(16)));         // float32 lanes
using I = std::int32_t __attribute__((vector_size(16)));  // int32 lanes
constexpr int kLanes = 4;
// One stream: several were not measured.
constexpr int kRowStreams = 1;
constexpr std::size_t kReadAhead = 0;
constexpr std::size_t kReadFurther = 0;

/// N bytes at an address of any alignment, as a vector.
template <class Vector>
inline Vector load_bytes(const void* from) {
  Vector v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

inline F splat(float value) {
  return vdupq_n_f32(value);
}
inline F load(const void* from) {
  return load_bytes<F>(from);
}
inline void store(float* to, F v) {
  __builtin_memcpy(to, &v, sizeof v);
}

/// n ≤ kLanes values, zeros in the other lanes.
inline F load(const float* from, std::size_t n) {
  F v = splat(0.0f);
  for (std::size_t i = 0; i < n; ++i) v[i] = from[i];
  return v;
}
inline void store(float* to, F v, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) to[i] = v[i];
}

using H = std::int16_t __attribute__((vector_size(16)));  // int16 lanes, twice as many
inline H load_i16(const void* from) {
  return reinterpret_cast<H>(vld1q_s16(static_cast<const std::int16_t*>(from)));
}
/// The lower half from one address, the upper half from another; widen_i8 and splat_f16 of two likewise.
inline H load_i16(const void* lower, const void* upper) {
  return reinterpret_cast<H>(vcombine_s16(vld1_s16(static_cast<const std::int16_t*>(lower)),
                                          vld1_s16(static_cast<const std::int16_t*>(upper))));
}
inline void store_i16(std::int16_t* to, H v) {
  vst1q_s16(to, reinterpret_cast<int16x8_t>(v));
}
/// As many int8 as H has lanes.
inline H widen_i8(const void* from) {
  return reinterpret_cast<H>(vmovl_s8(vld1_s8(static_cast<const std::int8_t*>(from))));
}
inline H widen_i8(const void* lower, const void* upper) {
  const std::uint32_t bytes[2] = {load_bytes<std::uint32_t>(lower), load_bytes<std::uint32_t>(upper)};
  return widen_i8(bytes);
}
/// Lanes 0 … 15 are a; `b` is for those after them, where there are any.
inline H splat_i16(std::int16_t a, std::int16_t) {
  return reinterpret_cast<H>(vdupq_n_s16(a));
}
/// Lane i is a[2i] · b[2i] + a[2i + 1] · b[2i + 1], in int32.
inline I multiply_pairs(H a, H b) {
  const auto x = reinterpret_cast<int16x8_t>(a);
  const auto y = reinterpret_cast<int16x8_t>(b);
  return reinterpret_cast<I>(vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y)));
}
inline I add_pairs(I sum, H a, H b) {
  return sum + multiply_pairs(a, b);
}
inline I zero_lanes() {
  return reinterpret_cast<I>(vdupq_n_s32(0));
}

/// The lower half of a, the upper half of b.
inline F blend_halves(F a, F b) {
  return vcombine_f32(vget_low_f32(a), vget_high_f32(b));
}

/// a < b ? a : b, hence b where either is NaN; greater likewise. (fmin and fminnm treat NaN otherwise.)
inline F lesser(F a, F b) {
  return vbslq_f32(vcltq_f32(a, b), a, b);
}
inline F greater(F a, F b) {
  return vbslq_f32(vcgtq_f32(a, b), a, b);
}
inline F absolute(F v) {
  return vabsq_f32(v);
}

/// Half to even, for |v| < 2^22.
inline I round_to_int(F v) {
  return vcvtnq_s32_f32(v);
}
inline F to_float(I v) {
  return vcvtq_f32_s32(v);
}
inline I as_bits(F v) {
  return vreinterpretq_s32_f32(v);
}
inline F from_bits(I v) {
  return vreinterpretq_f32_s32(v);
}

inline I load_i32(const std::int32_t* from) {
  return load_bytes<I>(from);
}
inline I load_i8(const void* from) {
  const int8x8_t bytes = vreinterpret_s8_u32(vdup_n_u32(load_bytes<std::uint32_t>(from)));
  return vmovl_s16(vget_low_s16(vmovl_s8(bytes)));
}
inline I load_u8(const void* from) {
  const uint8x8_t bytes = vreinterpret_u8_u32(vdup_n_u32(load_bytes<std::uint32_t>(from)));
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))));
}
/// Lanes in [−128, 127].
inline void store_i8(std::int8_t* to, I v) {
  const int16x4_t words = vmovn_s32(v);
  const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
  __builtin_memcpy(to, &bytes, kLanes);
}
/// Lanes in [−32768, 32767].
inline void store_i16(std::int16_t* to, I v) {
  vst1_s16(to, vmovn_s32(v));
}

inline F load_f16(const void* from) {
  return vcvt_f32_f16(vreinterpret_f16_u16(load_bytes<uint16x4_t>(from)));
}
/// The number at an address, in all lanes.
inline F splat_f16(const void* from) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(load_bytes<std::uint16_t>(from))));
}
inline F splat_f16(const void* lower, const void* upper) {
  return vcombine_f32(vget_low_f32(splat_f16(lower)), vget_low_f32(splat_f16(upper)));
}
inline F load_bf16(const void* from) {
  return vreinterpretq_f32_u32(vshll_n_u16(load_bytes<uint16x4_t>(from), 16));
}
inline void store_f16(std::uint16_t* to, F v) {
  const float16x4_t halves = vcvt_f16_f32(v);
  __builtin_memcpy(to, &halves, sizeof halves);
}

/// The end of the canonical tree: lanes i and i + 2, then i + 1.
inline float sum_lanes(F v) {
  return vpadds_f32(vadd_f32(vget_low_f32(v), vget_high_f32(v)));
}
/// All lanes together, modulo 2^32.
inline std::int32_t sum_lanes(I v) {
  return vaddvq_s32(v);
}
/// The largest lane, none being NaN.
inline float largest_lane(F v) {
  return vmaxvq_f32(v);
}

/// {a[0] + a[2], a[1] + a[3], b[0] + b[2], b[1] + b[3]}
inline F sum_halves(F a, F b) {
  return vcombine_f32(vget_low_f32(a), vget_low_f32(b)) + vcombine_f32(vget_high_f32(a), vget_high_f32(b));
}
/// Lane i is sum_lanes(v[i]): the same additions, four sums at a time.
inline F sum_each(const F (&v)[kLanes]) {
  return vpaddq_f32(sum_halves(v[0], v[1]), sum_halves(v[2], v[3]));
}

/// a · b + c, rounded once.
inline F multiply_add(F a, F b, F c) {
  return vfmaq_f32(c, a, b);
}

inline float square_root(float v) {
  return __builtin_sqrtf(v);
}

/// Divides lanes by the same number.
class Divisor {
 public:
  explicit Divisor(float value) : value_(splat(value)) {}
  F divide(F x) const { return x / value_; }

 private:
  F value_;
};

}  // namespace
