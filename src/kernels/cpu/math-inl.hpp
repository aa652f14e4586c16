// Canonical sums and the exponential function, in the vocabulary of simd.hpp.
//
// Included inside namespace sterna::<isa>, after simd.hpp.

namespace {

// A sum of n terms is 32 partial sums, partial i taking the terms ≡ i mod 32 in increasing order, and then a
// tree: i + (i + 16), i + (i + 8), … i + (i + 1). 32 is what four vectors of 8 lanes hold, enough to hide the
// latency of an addition, and the same on every instruction set.
constexpr int kPartials = 32;
constexpr int kVectors = kPartials / kLanes;

inline std::size_t least(std::size_t a, std::size_t b) {
  return a < b ? a : b;
}

/// How many of the `left` last elements fall into vector j of a block of 32.
inline std::size_t lanes_left(std::size_t left, int j) {
  const std::size_t before = static_cast<std::size_t>(j) * kLanes;
  return left <= before ? 0 : least(left - before, kLanes);
}

/// The tree over vectors down to the lanes of one, which sum_lanes goes on with; spelled out for the
/// compiler, which would keep the partial sums in memory for a loop.
template <int kFirst = 0, int kStep = 1, int kCount>
inline F tree(const F (&partials)[kCount]) {
  if constexpr (kStep == kCount) {
    return partials[kFirst];
  } else {
    return tree<kFirst, 2 * kStep>(partials) + tree<kFirst + kStep, 2 * kStep>(partials);
  }
}

/// Σ f(k) over [0, n), where f(k, count) gives the terms k, k + 1, … and 0 in the lanes from `count` on.
/// Adding 0 to a partial sum changes no bit of it: a sum that starts at +0 never becomes −0.
template <class Terms>
inline float canonical_sum(std::size_t n, Terms f) {
  F partials[kVectors];
  for (F& p : partials) p = splat(0.0f);
  std::size_t k = 0;
  for (; k + kPartials <= n; k += kPartials) {
    for (int j = 0; j < kVectors; ++j) partials[j] += f(k + j * kLanes, kLanes);
  }
  for (int j = 0; j < kVectors; ++j) {
    const std::size_t count = lanes_left(n - k, j);
    if (count > 0) partials[j] += f(k + j * kLanes, count);
  }
  return sum_lanes(tree(partials));
}

inline F load_some(const float* from, std::size_t count) {
  return count == kLanes ? load(from) : load(from, count);
}
inline void store_some(float* to, F v, std::size_t count) {
  if (count == kLanes) {
    store(to, v);
  } else {
    store(to, v, count);
  }
}

/// out[i] = f(i, count) for the elements i, i + 1, … i + count − 1 at a time.
template <class Values>
inline void for_each(std::size_t n, float* out, Values f) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, f(i, kLanes));
  if (i < n) store(out + i, f(i, n - i), n - i);
}

/// e^x within 1 ulp where the result is normal; 0 below −104, +∞ above 88.73, NaN for NaN.
inline F exponential(F x) {
  // In this order NaN passes: lesser and greater give the second where the comparison is false.
  x = greater(splat(-104.0f), lesser(splat(89.0f), x));
  // x = n·ln 2 + r with |r| ≤ ln 2 / 2. Adding 1.5·2^23 rounds to an integer and leaves it in the low bits.
  // ln 2 in two parts, the first of 9 bits, so that n times it is exact.
  const F shift = splat(0x1.8p23f);
  const F shifted = x * splat(0x1.715476p0f) + shift;
  const F n = shifted - shift;
  const F r = (x - n * splat(0x1.63p-1f)) - n * splat(-0x1.bd0106p-13f);
  // e^r = 1 + r + r²·(1/2! + r/3! + … + r⁵/7!): the rest, r⁸/8!, is below 2^-27.
  F p = splat(1.0f / 5040);
  p = p * r + splat(1.0f / 720);
  p = p * r + splat(1.0f / 120);
  p = p * r + splat(1.0f / 24);
  p = p * r + splat(1.0f / 6);
  p = p * r + splat(1.0f / 2);
  const F e = (p * (r * r) + r) + splat(1.0f);
  // Times 2^n in two steps: n reaches 128 and −150, which no single float exponent holds, and the second
  // multiplication rounds a subnormal result once. For NaN the factors are anything.
  using U = std::uint32_t __attribute__((vector_size(sizeof(I))));
  const I whole =
      reinterpret_cast<I>(reinterpret_cast<U>(as_bits(shifted)) - reinterpret_cast<U>(as_bits(shift)));
  const I half = whole >> 1;
  const U first = reinterpret_cast<U>(half) + 127u;
  const U second = reinterpret_cast<U>(whole) - reinterpret_cast<U>(half) + 127u;
  return e * from_bits(reinterpret_cast<I>(first << 23)) * from_bits(reinterpret_cast<I>(second << 23));
}

}  // namespace
