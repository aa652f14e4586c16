// The loops in vectors, compiled for every instruction set; the end of a row one element at a time.
#include "tensor/ops/simd/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quantize/simd/loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "quantize/simd/elements.hpp"

HWY_BEFORE_NAMESPACE();
namespace sterna::quant::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR
const Loops& vector_loops() {
  return scalar_loops();
}
#else

using D = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<D>;
using DU = hn::RebindToUnsigned<D>;
using D8 = hn::Rebind<std::int8_t, D>;
using V = hn::VFromD<D>;
using VI = hn::VFromD<DI>;

constexpr std::size_t kLanes = hn::MaxLanes(D());

/// f(i) for whole vectors from i on, four at a time and then one; returns where the rest begins.
template <class F>
HWY_INLINE std::size_t each_vector(std::size_t n, F f) {
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    f(i);
    f(i + kLanes);
    f(i + 2 * kLanes);
    f(i + 3 * kLanes);
  }
  for (; i + kLanes <= n; i += kLanes) f(i);
  return i;
}

/// A float's magnitude moved up by 29 bits is the double |x| · 2^−896, also where it is subnormal: a product
/// for the lower of two floats and a shift and a mask for the upper are fewer steps than conversions.
/// Infinity and NaN become numbers from 2^−768 on; sums that reach it are left to the reference.
void magnitude_sums(const float* x, std::size_t n, double* sums) {
  const hn::CappedTag<double, kSumLanes / 2> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const hn::Repartition<std::uint32_t, decltype(d)> du32;
  const hn::Repartition<float, decltype(d)> df;
  constexpr std::size_t kFloats = hn::MaxLanes(df);
  constexpr std::size_t kVectors = kSumLanes / kFloats;
  hn::VFromD<decltype(d)> even[kVectors], odd[kVectors];
  for (std::size_t k = 0; k < kVectors; ++k) {
    hn::LoadInterleaved2(d, sums + k * kFloats, even[k], odd[k]);
    even[k] = hn::Mul(even[k], hn::Set(d, 0x1p-896));
    odd[k] = hn::Mul(odd[k], hn::Set(d, 0x1p-896));
  }
  const auto places = hn::Set(du32, 1u << 29);
  const auto upper = hn::Set(du, ~std::uint64_t{0} << 29);
  std::size_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes) {
    for (std::size_t k = 0; k < kVectors; ++k) {
      const auto pairs = hn::BitCast(du32, hn::Abs(hn::LoadU(df, x + i + k * kFloats)));
      even[k] = hn::Add(even[k], hn::BitCast(d, hn::MulEven(pairs, places)));
      odd[k] = hn::Add(odd[k], hn::BitCast(d, hn::And(hn::ShiftRight<3>(hn::BitCast(du, pairs)), upper)));
    }
  }
  for (std::size_t k = 0; k < kVectors; ++k) {
    const auto below = [&](auto sum) HWY_ATTR { return hn::AllTrue(d, hn::Lt(sum, hn::Set(d, 0x1p-768))); };
    if (!below(even[k]) || !below(odd[k])) return scalar_loops().magnitude_sums(x, n, sums);
  }
  for (std::size_t k = 0; k < kVectors; ++k) {
    even[k] = hn::Mul(even[k], hn::Set(d, 0x1p896));
    odd[k] = hn::Mul(odd[k], hn::Set(d, 0x1p896));
    hn::StoreInterleaved2(even[k], odd[k], d, sums + k * kFloats);
  }
  scalar_loops().magnitude_sums(x + i, n - i, sums);
}

float max_magnitude(const float* x, std::size_t n) {
  const DI di;
  const VI mask = hn::Set(di, 0x7fffffff);
  VI most[4] = {hn::Zero(di), hn::Zero(di), hn::Zero(di), hn::Zero(di)};
  const auto take = [&](VI& seen, std::size_t i) HWY_ATTR {
    seen = hn::Max(seen, hn::And(hn::BitCast(di, hn::LoadU(D(), x + i)), mask));
  };
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (std::size_t k = 0; k < 4; ++k) take(most[k], i + k * kLanes);
  }
  for (; i + kLanes <= n; i += kLanes) take(most[0], i);
  const VI all = hn::Max(hn::Max(most[0], most[1]), hn::Max(most[2], most[3]));
  auto bits = static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(di, all)));
  for (; i < n; ++i) {
    const std::uint32_t more = magnitude_bits(x[i]);
    bits = more > bits ? more : bits;
  }
  return std::bit_cast<float>(bits);
}

Extremes extremes(const float* x, std::size_t n) {
  const D d;
  V least[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  V most[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  const auto take = [&](std::size_t k, std::size_t i) HWY_ATTR {
    const V v = hn::LoadU(d, x + i);
    least[k] = hn::IfThenElse(hn::Lt(v, least[k]), v, least[k]);
    most[k] = hn::IfThenElse(hn::Gt(v, most[k]), v, most[k]);
  };
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (std::size_t k = 0; k < 4; ++k) take(k, i + k * kLanes);
  }
  for (; i + kLanes <= n; i += kLanes) take(0, i);
  // No NaN from here on, and zeros are +0.
  const V low = hn::Min(hn::Min(least[0], least[1]), hn::Min(least[2], least[3]));
  const V high = hn::Max(hn::Max(most[0], most[1]), hn::Max(most[2], most[3]));
  Extremes seen{hn::GetLane(hn::MinOfLanes(d, low)), hn::GetLane(hn::MaxOfLanes(d, high))};
  for (; i < n; ++i) seen = widened(seen, x[i]);
  return seen;
}

/// Lanes of integers within int8.
HWY_INLINE void store_codes(VI codes, std::int8_t* out) {
  hn::StoreU(hn::DemoteTo(D8(), codes), D8(), out);
}

/// −1 where the mask is true, else 0.
template <class M>
HWY_INLINE VI minus_one_where(M mask) {
  return hn::BitCast(DI(), hn::VecFromMask(D(), mask));
}

void ternarize(const float* x, std::size_t n, float threshold, std::int8_t* trits) {
  const D d;
  const V above = hn::Set(d, threshold);
  const VI one = hn::Set(DI(), 1);
  std::size_t i = each_vector(n, [&](std::size_t at) HWY_ATTR {
    const V v = hn::LoadU(d, x + at);
    const VI sign = hn::Or(hn::ShiftRight<31>(hn::BitCast(DI(), v)), one);
    const auto kept = hn::RebindMask(DI(), hn::Gt(hn::Abs(v), above));
    store_codes(hn::IfThenElseZero(kept, sign), trits + at);
  });
  for (; i < n; ++i) trits[i] = trit_of(x[i], threshold);
}

void signs(const float* x, std::size_t n, std::int8_t* codes) {
  const D d;
  std::size_t i = each_vector(n, [&](std::size_t at) HWY_ATTR {
    const VI negative = minus_one_where(hn::Lt(hn::LoadU(d, x + at), hn::Zero(d)));
    store_codes(hn::Or(negative, hn::Set(DI(), 1)), codes + at);
  });
  for (; i < n; ++i) codes[i] = sign_of(x[i]);
}

/// x · inverse within [least, most].
struct Clamp {
  explicit Clamp(const CodeGrid& grid)
      : inverse(hn::Set(D(), grid.inverse)), least(hn::Set(D(), grid.least)), most(hn::Set(D(), grid.most)) {}
  HWY_INLINE V operator()(V x) const {
    V v = hn::Mul(x, inverse);
    v = hn::IfThenElse(hn::Gt(v, least), v, least);  // NaN becomes the least
    return hn::Min(v, most);
  }
  V inverse;
  V least;
  V most;
};

void encode(const float* x, std::size_t n, const CodeGrid& grid, std::int8_t* codes) {
  const D d;
  const Clamp clamp(grid);
  const VI zero = hn::Set(DI(), grid.zero);
  std::size_t i = each_vector(n, [&](std::size_t at) HWY_ATTR {
    store_codes(hn::Add(hn::NearestInt(clamp(hn::LoadU(d, x + at))), zero), codes + at);
  });
  for (; i < n; ++i) codes[i] = code_of(x[i], grid);
}

void encode_stochastic(const float* x, std::size_t n, const CodeGrid& grid, const float* units,
                       std::int8_t* codes) {
  const D d;
  const DI di;
  const Clamp clamp(grid);
  const VI zero = hn::Set(di, grid.zero);
  std::size_t i = each_vector(n, [&](std::size_t at) HWY_ATTR {
    const V v = clamp(hn::LoadU(d, x + at));
    const VI whole = hn::ConvertTo(di, v);
    const VI down = hn::Add(whole, minus_one_where(hn::Lt(v, hn::ConvertTo(d, whole))));
    const auto up = hn::Gt(hn::Sub(v, hn::ConvertTo(d, down)), hn::LoadU(d, units + at));
    store_codes(hn::Add(hn::Sub(down, minus_one_where(up)), zero), codes + at);
  });
  for (; i < n; ++i) codes[i] = code_of(x[i], grid, units[i]);
}

void decode(const std::int8_t* codes, std::size_t n, float scale, std::int32_t zero, float* out) {
  const D d;
  const V factor = hn::Set(d, scale);
  const VI offset = hn::Set(DI(), zero);
  std::size_t i = each_vector(n, [&](std::size_t at) HWY_ATTR {
    const VI code = hn::Sub(hn::PromoteTo(DI(), hn::LoadU(D8(), codes + at)), offset);
    hn::StoreU(hn::Mul(hn::ConvertTo(d, code), factor), d, out + at);
  });
  for (; i < n; ++i) out[i] = value_of(codes[i], scale, zero);
}

using D64 = hn::ScalableTag<std::uint64_t>;
using V64 = hn::VFromD<D64>;
constexpr std::size_t kBlocks = hn::MaxLanes(D64());  ///< in a vector; each is four units

/// Philox 4x32-10 (sterna/random.hpp) of N vectors of blocks side by side: the products of one wait for each
/// other. A lane's low half is a word; what its high half holds is never multiplied.
template <std::size_t N>
HWY_INLINE void units_of_blocks(std::uint64_t seed, std::uint64_t first, float* out) {
  const D64 d;
  const hn::Repartition<std::uint32_t, D64> d32;
  const D df;
  const auto product = [&](V64 a, std::uint32_t b) HWY_ATTR {
    return hn::MulEven(hn::BitCast(d32, a), hn::BitCast(d32, hn::Set(d, b)));
  };
  const auto units = [&](V64 even, V64 odd) HWY_ATTR {
    const V64 words = hn::Or(hn::And(even, hn::Set(d, 0xffffffffu)), hn::ShiftLeft<32>(odd));
    const auto high = hn::BitCast(DI(), hn::ShiftRight<8>(hn::BitCast(d32, words)));
    return hn::BitCast(d, hn::Mul(hn::ConvertTo(df, high), hn::Set(df, 0x1p-24f)));
  };
  // Blocks 0, B/2, 1, B/2 + 1, …: of each 128 bits one block goes to the lower half of the units.
  const V64 lane = hn::Iota(d, std::uint64_t{0});
  const V64 place = hn::Add(hn::ShiftRight<1>(lane),
                            hn::ShiftLeft<hwy::FloorLog2(kBlocks / 2)>(hn::And(lane, hn::Set(d, 1u))));
  V64 c0[N], c1[N], c2[N], c3[N];
  for (std::size_t k = 0; k < N; ++k) {
    c0[k] = hn::Add(hn::Set(d, first + k * kBlocks), place);
    c1[k] = hn::ShiftRight<32>(c0[k]);
    c2[k] = c3[k] = hn::Zero(d);
  }
  auto key0 = static_cast<std::uint32_t>(seed);
  auto key1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    for (std::size_t k = 0; k < N; ++k) {
      const V64 a = product(c0[k], 0xd2511f53u);
      const V64 b = product(c2[k], 0xcd9e8d57u);
      c0[k] = hn::Xor3(hn::ShiftRight<32>(b), c1[k], hn::Set(d, key0));
      c2[k] = hn::Xor3(hn::ShiftRight<32>(a), c3[k], hn::Set(d, key1));
      c1[k] = b;
      c3[k] = a;
    }
    key0 += 0x9e3779b9;
    key1 += 0xbb67ae85;
  }
  for (std::size_t k = 0; k < N; ++k, out += 4 * kBlocks) {
    const V64 a = units(c0[k], c1[k]);
    const V64 b = units(c2[k], c3[k]);
    hn::StoreU(hn::BitCast(df, hn::InterleaveLower(d, a, b)), df, out);
    hn::StoreU(hn::BitCast(df, hn::InterleaveUpper(d, a, b)), df, out + 2 * kBlocks);
  }
}

void random_units(std::uint64_t seed, std::uint64_t first, std::size_t n, float* out) {
  constexpr std::size_t kSide = 2;      ///< more do not fit the 16 registers of AVX2
  std::size_t i = (4 - first % 4) % 4;  // to the next block
  if (i > n) i = n;
  fill_units(seed, first, i, out);
  for (; i + 4 * kSide * kBlocks <= n; i += 4 * kSide * kBlocks) {
    units_of_blocks<kSide>(seed, (first + i) / 4, out + i);
  }
  for (; i + 4 * kBlocks <= n; i += 4 * kBlocks) units_of_blocks<1>(seed, (first + i) / 4, out + i);
  fill_units(seed, first + i, n - i, out + i);
}

const Loops& vector_loops() {
  static constexpr Loops kLoops{magnitude_sums, max_magnitude,     extremes, ternarize,   signs,
                                encode,         encode_stochastic, decode,   random_units};
  return kLoops;
}
#endif

const Loops* table() {
  return &vector_loops();
}

}  // namespace
}  // namespace sterna::quant::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sterna::quant {
HWY_EXPORT(table);

const Loops& loops() {
  static const Loops& chosen = *HWY_DYNAMIC_DISPATCH(table)();
  return chosen;
}
}  // namespace sterna::quant
#endif
