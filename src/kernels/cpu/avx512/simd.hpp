// The vocabulary of the float operations in AVX-512: 16 lanes. Arithmetic is the compiler's own on vectors.
// The words mean the same on every instruction set, bit for bit: kernels/cpu/float_ops-inl.hpp is written in
// them. Included inside namespace sterna::avx512, after <immintrin.h>.

namespace {

using F = __m512;                                         // float32 lanes
using I = std::int32_t __attribute__((vector_size(64)));  // int32 lanes
constexpr int kLanes = 16;
// On Sapphire Rapids one stream of q8_0 left alone reads 7.9 GB/s, four asked for ahead 15.3, and a percent
// or two more with lines on their way to the second level before the first waits for them.
constexpr int kRowStreams = 4;
constexpr std::size_t kReadAhead = 1024;
constexpr std::size_t kReadFurther = 2048;

inline __m512i bits(I v) {
  return reinterpret_cast<__m512i>(v);
}
inline I ints(__m512i v) {
  return reinterpret_cast<I>(v);
}

inline F splat(float value) {
  return _mm512_set1_ps(value);
}
inline F load(const void* from) {
  return _mm512_loadu_ps(from);
}
inline void store(float* to, F v) {
  _mm512_storeu_ps(to, v);
}

/// The first n lanes.
inline __mmask16 first_lanes(std::size_t n) {
  return static_cast<__mmask16>((1u << n) - 1);
}
/// n ≤ kLanes values, zeros in the other lanes.
inline F load(const float* from, std::size_t n) {
  return _mm512_maskz_loadu_ps(first_lanes(n), from);
}
inline void store(float* to, F v, std::size_t n) {
  _mm512_mask_storeu_ps(to, first_lanes(n), v);
}

using H = std::int16_t __attribute__((vector_size(64)));  // int16 lanes, twice as many
inline H load_i16(const void* from) {
  return reinterpret_cast<H>(_mm512_loadu_si512(from));
}
/// The lower half from one address, the upper half from another; widen_i8 and splat_f16 of two likewise.
inline H load_i16(const void* lower, const void* upper) {
  const __m256i half = _mm256_loadu_si256(static_cast<const __m256i*>(lower));
  return reinterpret_cast<H>(_mm512_inserti64x4(_mm512_castsi256_si512(half),
                                                _mm256_loadu_si256(static_cast<const __m256i*>(upper)), 1));
}
inline void store_i16(std::int16_t* to, H v) {
  _mm512_storeu_si512(to, reinterpret_cast<__m512i>(v));
}
/// As many int8 as H has lanes.
inline H widen_i8(const void* from) {
  return reinterpret_cast<H>(_mm512_cvtepi8_epi16(_mm256_loadu_si256(static_cast<const __m256i*>(from))));
}
inline H widen_i8(const void* lower, const void* upper) {
  const __m128i half = _mm_loadu_si128(static_cast<const __m128i*>(lower));
  return reinterpret_cast<H>(_mm512_cvtepi8_epi16(_mm256_inserti128_si256(
      _mm256_castsi128_si256(half), _mm_loadu_si128(static_cast<const __m128i*>(upper)), 1)));
}
/// Lanes 0 … 15 are a; `b` is for those after them, where there are any.
inline H splat_i16(std::int16_t a, std::int16_t b) {
  return reinterpret_cast<H>(_mm512_mask_set1_epi16(_mm512_set1_epi16(a), 0xffff0000u, b));
}
/// Lane i is a[2i] · b[2i] + a[2i + 1] · b[2i + 1], in int32.
inline I multiply_pairs(H a, H b) {
  return ints(_mm512_madd_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
}
/// sum + multiply_pairs(a, b). As an instruction, because GCC 12 stores the sum of the intrinsic.
inline I add_pairs(I sum, H a, H b) {
  asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
}
inline I zero_lanes() {
  return ints(_mm512_setzero_si512());
}

/// The lower half of a, the upper half of b.
inline F blend_halves(F a, F b) {
  return _mm512_mask_blend_ps(0xff00, a, b);
}

/// a < b ? a : b, hence b where either is NaN; greater likewise.
inline F lesser(F a, F b) {
  return _mm512_min_ps(a, b);
}
inline F greater(F a, F b) {
  return _mm512_max_ps(a, b);
}
inline F absolute(F v) {
  return _mm512_abs_ps(v);
}

/// Half to even, for |v| < 2^22.
inline I round_to_int(F v) {
  return ints(_mm512_cvtps_epi32(v));
}
inline F to_float(I v) {
  return _mm512_cvtepi32_ps(bits(v));
}
inline I as_bits(F v) {
  return ints(_mm512_castps_si512(v));
}
inline F from_bits(I v) {
  return _mm512_castsi512_ps(bits(v));
}

inline I load_i32(const std::int32_t* from) {
  return ints(_mm512_loadu_si512(from));
}
inline __m128i load_16_bytes(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
inline I load_i8(const void* from) {
  return ints(_mm512_cvtepi8_epi32(load_16_bytes(from)));
}
inline I load_u8(const void* from) {
  return ints(_mm512_cvtepu8_epi32(load_16_bytes(from)));
}
/// Lanes in [−128, 127].
inline void store_i8(std::int8_t* to, I v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(bits(v)));
}
/// Lanes in [−32768, 32767].
inline void store_i16(std::int16_t* to, I v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(bits(v)));
}

inline __m256i load_16_words(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
inline F load_f16(const void* from) {
  return _mm512_cvtph_ps(load_16_words(from));
}
/// The number at an address, in all lanes.
inline short half_at(const void* from) {
  short half;
  __builtin_memcpy(&half, from, sizeof half);
  return half;
}
inline F splat_f16(const void* from) {
  return _mm512_cvtph_ps(_mm256_set1_epi16(half_at(from)));
}
inline F splat_f16(const void* lower, const void* upper) {
  return _mm512_cvtph_ps(_mm256_mask_set1_epi16(_mm256_set1_epi16(half_at(lower)), 0xff00, half_at(upper)));
}
inline F load_bf16(const void* from) {
  return from_bits(ints(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_16_words(from)), 16)));
}
inline void store_f16(std::uint16_t* to, F v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

/// The end of the canonical tree: lanes i and i + 8, then i + 4, i + 2, i + 1.
inline float sum_lanes(F v) {
  const __m256 eight = _mm512_castps512_ps256(v) + _mm512_extractf32x8_ps(v, 1);
  __m128 sum = _mm256_castps256_ps128(eight) + _mm256_extractf128_ps(eight, 1);
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm_cvtss_f32(sum);
}
/// All lanes together, modulo 2^32.
inline std::int32_t sum_lanes(I v) {
  return _mm512_reduce_add_epi32(bits(v));
}
/// The largest lane, none being NaN.
inline float largest_lane(F v) {
  return _mm512_reduce_max_ps(v);
}

/// Lane i is sum_lanes(v[i]): the same additions, sixteen sums at a time.
inline F sum_each(const F (&v)[kLanes]) {
  F half[8];  // {v[i]'s 8 sums, v[i + 8]'s 8 sums}
  for (int i = 0; i < 8; ++i) {
    half[i] = _mm512_shuffle_f32x4(v[i], v[i + 8], 0x44) + _mm512_shuffle_f32x4(v[i], v[i + 8], 0xee);
  }
  F quarter[4];  // the 4 sums of v[i], of v[i + 8], v[i + 4], v[i + 12]
  for (int i = 0; i < 4; ++i) {
    quarter[i] =
        _mm512_shuffle_f32x4(half[i], half[i + 4], 0x88) + _mm512_shuffle_f32x4(half[i], half[i + 4], 0xdd);
  }
  F pair[2];
  for (int i = 0; i < 2; ++i) {
    pair[i] = _mm512_shuffle_ps(quarter[2 * i], quarter[2 * i + 1], 0x44) +
              _mm512_shuffle_ps(quarter[2 * i], quarter[2 * i + 1], 0xee);
  }
  const F sums = _mm512_shuffle_ps(pair[0], pair[1], 0x88) + _mm512_shuffle_ps(pair[0], pair[1], 0xdd);
  return _mm512_shuffle_f32x4(sums, sums, 0xd8);
}

/// a · b + c, rounded once.
inline F multiply_add(F a, F b, F c) {
  return _mm512_fmadd_ps(a, b, c);
}

inline float square_root(float v) {
  return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(v)));
}

/// Divides lanes by the same number, rounded as a division is: a division of 16 lanes keeps a port for 16
/// cycles, and this takes five instructions. With the inverse rounded to nearest, a quotient within one unit
/// in the last place and its exact remainder give the correctly rounded one (P. Markstein, IBM J. Res. Dev.
/// 34(1), 1990); the first correction makes it so near. Where nothing overflows or is subnormal, that is.
class Divisor {
 public:
  explicit Divisor(float value)
      : value_(splat(value)), inverse_(splat(1.0f / value)), plain_(!(value > 0x1p-60f && value < 0x1p60f)) {}

  /// |x| in [1, 2^31], or 0.
  F divide(F x) const {
    if (plain_) return x / value_;
    return nearer(nearer(x * inverse_, x), x);
  }

 private:
  F nearer(F quotient, F x) const {
    return _mm512_fmadd_ps(_mm512_fnmadd_ps(quotient, value_, x), inverse_, quotient);
  }

  F value_;
  F inverse_;
  bool plain_;
};

}  // namespace
