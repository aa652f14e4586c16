// The vocabulary of the float operations in AVX2: 8 lanes. Arithmetic is the compiler's own on vectors.
// The words mean the same on every instruction set, bit for bit: kernels/cpu/float_ops-inl.hpp is written in
// them. Included inside namespace sterna::avx2, after <immintrin.h>.

namespace {

using F = __m256;                                         // float32 lanes
using I = std::int32_t __attribute__((vector_size(32)));  // int32 lanes
constexpr int kLanes = 8;
// One stream, left alone: q8_0 reads 23 GB/s so on Zen 4, 17 with two rows side by side and prefetch, 8
// without.
constexpr int kRowStreams = 1;
constexpr std::size_t kReadAhead = 0;
constexpr std::size_t kReadFurther = 0;

inline __m256i bits(I v) {
  return reinterpret_cast<__m256i>(v);
}
inline I ints(__m256i v) {
  return reinterpret_cast<I>(v);
}

inline F splat(float value) {
  return _mm256_set1_ps(value);
}
inline F load(const void* from) {
  return _mm256_loadu_ps(static_cast<const float*>(from));
}
inline void store(float* to, F v) {
  _mm256_storeu_ps(to, v);
}

/// All ones in the first n lanes.
inline __m256i first_lanes(std::size_t n) {
  alignas(64) static constexpr std::int32_t kMasks[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMasks + kLanes - n));
}
/// n ≤ kLanes values, zeros in the other lanes.
inline F load(const float* from, std::size_t n) {
  return _mm256_maskload_ps(from, first_lanes(n));
}
inline void store(float* to, F v, std::size_t n) {
  _mm256_maskstore_ps(to, first_lanes(n), v);
}

using H = std::int16_t __attribute__((vector_size(32)));  // int16 lanes, twice as many
inline H load_i16(const void* from) {
  return reinterpret_cast<H>(_mm256_loadu_si256(static_cast<const __m256i*>(from)));
}
/// The lower half from one address, the upper half from another; widen_i8 and splat_f16 of two likewise.
inline H load_i16(const void* lower, const void* upper) {
  const __m128i half = _mm_loadu_si128(static_cast<const __m128i*>(lower));
  return reinterpret_cast<H>(_mm256_inserti128_si256(_mm256_castsi128_si256(half),
                                                     _mm_loadu_si128(static_cast<const __m128i*>(upper)), 1));
}
inline void store_i16(std::int16_t* to, H v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), reinterpret_cast<__m256i>(v));
}
/// As many int8 as H has lanes.
inline H widen_i8(const void* from) {
  return reinterpret_cast<H>(_mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i*>(from))));
}
inline H widen_i8(const void* lower, const void* upper) {
  const __m128i half = _mm_loadl_epi64(static_cast<const __m128i*>(lower));
  return reinterpret_cast<H>(
      _mm256_cvtepi8_epi16(_mm_unpacklo_epi64(half, _mm_loadl_epi64(static_cast<const __m128i*>(upper)))));
}
/// Lanes 0 … 15 are a; `b` is for those after them, where there are any.
inline H splat_i16(std::int16_t a, std::int16_t) {
  return reinterpret_cast<H>(_mm256_set1_epi16(a));
}
/// Lane i is a[2i] · b[2i] + a[2i + 1] · b[2i + 1], in int32.
inline I multiply_pairs(H a, H b) {
  return ints(_mm256_madd_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
}
inline I add_pairs(I sum, H a, H b) {
  return sum + multiply_pairs(a, b);
}
inline I zero_lanes() {
  return ints(_mm256_setzero_si256());
}

/// The lower half of a, the upper half of b.
inline F blend_halves(F a, F b) {
  return _mm256_blend_ps(a, b, 0xf0);
}

/// a < b ? a : b, hence b where either is NaN; greater likewise.
inline F lesser(F a, F b) {
  return _mm256_min_ps(a, b);
}
inline F greater(F a, F b) {
  return _mm256_max_ps(a, b);
}
inline F absolute(F v) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}

/// Half to even, for |v| < 2^22.
inline I round_to_int(F v) {
  return ints(_mm256_cvtps_epi32(v));
}
inline F to_float(I v) {
  return _mm256_cvtepi32_ps(bits(v));
}
inline I as_bits(F v) {
  return ints(_mm256_castps_si256(v));
}
inline F from_bits(I v) {
  return _mm256_castsi256_ps(bits(v));
}

inline I load_i32(const std::int32_t* from) {
  return ints(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
inline I load_i8(const void* from) {
  return ints(_mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(from))));
}
inline I load_u8(const void* from) {
  return ints(_mm256_cvtepu8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(from))));
}
/// Lanes in [−128, 127].
inline void store_i8(std::int8_t* to, I v) {
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(bits(v)), _mm256_extracti128_si256(bits(v), 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packs_epi16(words, words));
}
/// Lanes in [−32768, 32767].
inline void store_i16(std::int16_t* to, I v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm_packs_epi32(_mm256_castsi256_si128(bits(v)), _mm256_extracti128_si256(bits(v), 1)));
}

inline F load_f16(const void* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(from)));
}
/// The number at an address, in all lanes.
inline short half_at(const void* from) {
  short half;
  __builtin_memcpy(&half, from, sizeof half);
  return half;
}
inline F splat_f16(const void* from) {
  return _mm256_cvtph_ps(_mm_set1_epi16(half_at(from)));
}
inline F splat_f16(const void* lower, const void* upper) {
  return _mm256_cvtph_ps(
      _mm_blend_epi16(_mm_set1_epi16(half_at(lower)), _mm_set1_epi16(half_at(upper)), 0xf0));
}
inline F load_bf16(const void* from) {
  return from_bits(
      ints(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(from))), 16)));
}
inline void store_f16(std::uint16_t* to, F v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

/// The end of the canonical tree: lanes i and i + 4, then i + 2, then i + 1.
inline float sum_lanes(F v) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm_cvtss_f32(sum);
}
/// All lanes together, modulo 2^32.
inline std::int32_t sum_lanes(I v) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(bits(v)), _mm256_extracti128_si256(bits(v), 1));
  four = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 1)));
}
/// The largest lane, none being NaN.
inline float largest_lane(F v) {
  __m128 most = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  most = _mm_max_ps(most, _mm_movehl_ps(most, most));
  return _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
}

/// Lane i is sum_lanes(v[i]): the same additions, eight sums at a time.
inline F sum_each(const F (&v)[kLanes]) {
  F quarter[4];  // {v[i]'s 4 sums, v[i + 4]'s 4 sums}
  for (int i = 0; i < 4; ++i) {
    quarter[i] = _mm256_permute2f128_ps(v[i], v[i + 4], 0x20) + _mm256_permute2f128_ps(v[i], v[i + 4], 0x31);
  }
  F pair[2];
  for (int i = 0; i < 2; ++i) {
    pair[i] = _mm256_shuffle_ps(quarter[2 * i], quarter[2 * i + 1], 0x44) +
              _mm256_shuffle_ps(quarter[2 * i], quarter[2 * i + 1], 0xee);
  }
  return _mm256_shuffle_ps(pair[0], pair[1], 0x88) + _mm256_shuffle_ps(pair[0], pair[1], 0xdd);
}

/// a · b + c, rounded once.
inline F multiply_add(F a, F b, F c) {
  return _mm256_fmadd_ps(a, b, c);
}

inline float square_root(float v) {
  return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(v)));
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
