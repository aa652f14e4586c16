// The vocabulary of the float operations for any processor: 4 lanes in the compiler's own vectors, which
// become SSE2 or NEON where they exist. Same words and same bits as in every other instruction set.
// Included inside namespace sterna::generic.

namespace {

using F = float __attribute__((vector_size(16)));         // float32 lanes
using I = std::int32_t __attribute__((vector_size(16)));  // int32 lanes
constexpr int kLanes = 4;
// One stream: several were not measured.
constexpr int kRowStreams = 1;
constexpr std::size_t kReadAhead = 0;
constexpr std::size_t kReadFurther = 0;

template <class To, class From>
inline To bit_copy(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}

inline F splat(float value) {
  return F{value, value, value, value};
}
inline F load(const void* from) {
  F v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
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
  H v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
/// The lower half from one address, the upper half from another; widen_i8 and splat_f16 of two likewise.
inline H load_i16(const void* lower, const void* upper) {
  H v;
  __builtin_memcpy(&v, lower, sizeof v / 2);
  __builtin_memcpy(reinterpret_cast<char*>(&v) + sizeof v / 2, upper, sizeof v / 2);
  return v;
}
inline void store_i16(std::int16_t* to, H v) {
  __builtin_memcpy(to, &v, sizeof v);
}
/// As many int8 as H has lanes.
inline H widen_i8(const void* from) {
  using Bytes = std::int8_t __attribute__((vector_size(8)));
  Bytes bytes;
  __builtin_memcpy(&bytes, from, sizeof bytes);
  return __builtin_convertvector(bytes, H);
}
inline H widen_i8(const void* lower, const void* upper) {
  std::int8_t bytes[2 * kLanes];
  __builtin_memcpy(bytes, lower, kLanes);
  __builtin_memcpy(bytes + kLanes, upper, kLanes);
  return widen_i8(bytes);
}
/// Lanes 0 … 15 are a; `b` is for those after them, where there are any.
inline H splat_i16(std::int16_t a, std::int16_t) {
  return H{a, a, a, a, a, a, a, a};
}
/// Lane i is a[2i] · b[2i] + a[2i + 1] · b[2i + 1], in int32.
inline I multiply_pairs(H a, H b) {
  I sums;
  for (int i = 0; i < kLanes; ++i) sums[i] = a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
  return sums;
}
inline I add_pairs(I sum, H a, H b) {
  return sum + multiply_pairs(a, b);
}
inline I zero_lanes() {
  return I{0, 0, 0, 0};
}

/// The lower half of a, the upper half of b.
inline F blend_halves(F a, F b) {
  return F{a[0], a[1], b[2], b[3]};
}

/// a < b ? a : b, hence b where either is NaN; greater likewise.
inline F lesser(F a, F b) {
  return a < b ? a : b;
}
inline F greater(F a, F b) {
  return a > b ? a : b;
}
inline I as_bits(F v) {
  return bit_copy<I>(v);
}
inline F from_bits(I v) {
  return bit_copy<F>(v);
}
inline F absolute(F v) {
  return from_bits(as_bits(v) & 0x7fffffff);
}

/// Half to even, for |v| < 2^22: adding 1.5·2^23 leaves no bits for a fraction.
inline I round_to_int(F v) {
  const F shift = splat(0x1.8p23f);
  return as_bits(v + shift) - as_bits(shift);
}
inline F to_float(I v) {
  return __builtin_convertvector(v, F);
}

inline I load_i32(const std::int32_t* from) {
  return as_bits(load(from));
}
inline I load_i8(const void* from) {
  const auto* at = static_cast<const std::int8_t*>(from);
  return I{at[0], at[1], at[2], at[3]};
}
inline I load_u8(const void* from) {
  const auto* at = static_cast<const std::uint8_t*>(from);
  return I{at[0], at[1], at[2], at[3]};
}
/// Lanes in [−128, 127].
inline void store_i8(std::int8_t* to, I v) {
  for (int i = 0; i < kLanes; ++i) to[i] = static_cast<std::int8_t>(v[i]);
}
/// Lanes in [−32768, 32767].
inline void store_i16(std::int16_t* to, I v) {
  for (int i = 0; i < kLanes; ++i) to[i] = static_cast<std::int16_t>(v[i]);
}

// binary16 as F16C converts it: exact from half; to half rounding to even, keeping the payload of a NaN.
inline float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t magnitude = half & 0x7fffu;
  if (magnitude > 0x7c00u) return bit_copy<float>(sign | 0x7fc00000u | magnitude << 13);
  if (magnitude == 0x7c00u) return bit_copy<float>(sign | 0x7f800000u);
  if (magnitude < 0x400u) {  // zero and subnormals, in units of 2^-24
    return bit_copy<float>(bit_copy<std::uint32_t>(static_cast<float>(magnitude) * 0x1p-24f) | sign);
  }
  return bit_copy<float>(sign | ((magnitude << 13) + (112u << 23)));  // 112 = 127 − 15, the biases
}
inline std::uint16_t float_to_half(float value) {
  const auto pattern = bit_copy<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(pattern >> 16 & 0x8000u);
  const std::uint32_t magnitude = pattern & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | static_cast<std::uint16_t>(0x7e00u | (magnitude >> 13 & 0x3ffu));
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // 65520 and above round to infinity
  if (magnitude < 0x38800000u) {                        // below 2^-14: subnormal
    // Adding 0.5 puts the unit of 2^-24 into the last bit of the sum, which the addition rounds to even.
    const float sum = bit_copy<float>(magnitude) + 0.5f;
    return sign | static_cast<std::uint16_t>(bit_copy<std::uint32_t>(sum) - 0x3f000000u);
  }
  const std::uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
  return sign | static_cast<std::uint16_t>((rounded - (112u << 23)) >> 13);
}

inline F load_f16(const void* from) {
  std::uint16_t halves[kLanes];
  __builtin_memcpy(halves, from, sizeof halves);
  return F{half_to_float(halves[0]), half_to_float(halves[1]), half_to_float(halves[2]),
           half_to_float(halves[3])};
}
/// The number at an address, in all lanes.
inline F splat_f16(const void* from) {
  std::uint16_t half;
  __builtin_memcpy(&half, from, sizeof half);
  return splat(half_to_float(half));
}
inline F splat_f16(const void* lower, const void* upper) {
  return F{splat_f16(lower)[0], splat_f16(lower)[0], splat_f16(upper)[0], splat_f16(upper)[0]};
}
inline F load_bf16(const void* from) {
  std::uint16_t halves[kLanes];
  __builtin_memcpy(halves, from, sizeof halves);
  return from_bits(I{halves[0], halves[1], halves[2], halves[3]} << 16);
}
inline void store_f16(std::uint16_t* to, F v) {
  for (int i = 0; i < kLanes; ++i) to[i] = float_to_half(v[i]);
}

/// The end of the canonical tree: lanes i and i + 2, then i + 1.
inline float sum_lanes(F v) {
  return (v[0] + v[2]) + (v[1] + v[3]);
}
/// All lanes together, modulo 2^32.
inline std::int32_t sum_lanes(I v) {
  return v[0] + v[1] + v[2] + v[3];
}
/// The largest lane, none being NaN.
inline float largest_lane(F v) {
  float most = v[0];
  for (int i = 1; i < kLanes; ++i) most = v[i] > most ? v[i] : most;
  return most;
}

/// Lane i is sum_lanes(v[i]).
inline F sum_each(const F (&v)[kLanes]) {
  return F{sum_lanes(v[0]), sum_lanes(v[1]), sum_lanes(v[2]), sum_lanes(v[3])};
}

#if defined(__FMA__) || defined(__aarch64__)

/// a · b + c, rounded once.
inline F multiply_add(F a, F b, F c) {
  F sum;
  for (int i = 0; i < kLanes; ++i) sum[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return sum;
}

#else

// A processor that rounds products. In double the product is exact and the sum is not, so rounding it to
// float32 rounds twice. That matters where the double lies half-way between two floats or the float is
// subnormal; the sum is then forced to an odd last bit where it is not exact, and rounds as the exact one
// does, having more than two bits more (S. Boldo, G. Melquiond, IEEE Trans. Comput. 57(4), 2008).
using D = double __attribute__((vector_size(16)));
using L = long long __attribute__((vector_size(16)));

struct Doubles {
  explicit Doubles(F v) : low{v[0], v[1]}, high{v[2], v[3]} {}
  Doubles(D a, D b) : low(a), high(b) {}
  D low, high;
};

[[gnu::cold, gnu::noinline]] inline D to_odd(D product, D addend) {
  const D sum = product + addend;
  const D part = sum - product;
  const D error = (product - (sum - part)) + (addend - part);  // exact; NaN where the sum is not finite
  const L even = (bit_copy<L>(sum) & 1) - 1;
  const L inexact = (error != 0) & (error == error);
  const L outwards = ((error > 0) ^ (sum > 0)) | 1;  // 1 where the exact sum is farther from 0, else −1
  return bit_copy<D>(bit_copy<L>(sum) + (inexact & even & outwards));
}

inline F narrow(const Doubles& v) {
  return F{static_cast<float>(v.low[0]), static_cast<float>(v.low[1]), static_cast<float>(v.high[0]),
           static_cast<float>(v.high[1])};
}

/// a · b + c, rounded once: eight times as long as rounding twice.
inline F multiply_add(F a, F b, F c) {
  const Doubles x(a), y(b), z(c);
  const Doubles product(x.low * y.low, x.high * y.high);
  const Doubles sum(product.low + z.low, product.high + z.high);
  const F rounded = narrow(sum);
  const I last = __builtin_shufflevector(bit_copy<I>(sum.low), bit_copy<I>(sum.high), 0, 2, 4, 6);
  const I half_way = (last & 0x1fffffff) == 0x10000000;  // the 29 bits that a float does not have
  const I small = absolute(rounded) < splat(__FLT_MIN__);
  const L any = bit_copy<L>(half_way | small);
  if (__builtin_expect((any[0] | any[1]) == 0, 1)) return rounded;
  return narrow(Doubles(to_odd(product.low, z.low), to_odd(product.high, z.high)));
}

#endif

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
