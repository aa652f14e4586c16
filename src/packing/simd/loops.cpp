// The loops in vectors, compiled for every instruction set; the end of a group a byte at a time.
#include "tensor/ops/simd/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "packing/simd/loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "packing/simd/elements.hpp"
#include "packing/simd/loops.hpp"

HWY_BEFORE_NAMESPACE();
namespace sterna::packing::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR
const PackingLoops& vector_loops() {
  return scalar_loops();
}
#else

/// BitCodes in vectors. Shifts are of 16 bits: codes in range stay within their byte, and what comes from the
/// byte beside is masked off.
template <class Codes>
struct BitVectors {
  template <class D8>
  static HWY_INLINE void pack(D8 d, const std::int8_t* values, std::size_t stride, std::uint8_t* out) {
    const hn::Repartition<std::uint16_t, D8> d16;
    const hn::RebindToSigned<D8> di;
    const auto code = [&](std::size_t i) HWY_ATTR {
      const auto v = hn::Add(hn::LoadU(di, values + i * stride), hn::Set(di, std::int8_t{Codes::kBias}));
      return hn::BitCast(d16, v);
    };
    auto bytes = hn::ShiftLeft<Codes::shift(0)>(code(0));
    bytes = hn::Or(bytes, hn::ShiftLeft<Codes::shift(1)>(code(1)));
    if constexpr (Codes::kCodes == 4) {
      bytes = hn::Or(bytes, hn::ShiftLeft<Codes::shift(2)>(code(2)));
      bytes = hn::Or(bytes, hn::ShiftLeft<Codes::shift(3)>(code(3)));
    }
    hn::StoreU(hn::BitCast(d, bytes), d, out);
  }

  template <class D8>
  static HWY_INLINE void unpack(D8 d, const std::uint8_t* in, std::size_t stride, std::int8_t* values) {
    const hn::Repartition<std::uint16_t, D8> d16;
    const hn::RebindToSigned<D8> di;
    const auto bytes = hn::BitCast(d16, hn::LoadU(d, in));
    const auto store = [&](auto shifted, std::size_t i) HWY_ATTR {
      const auto code = hn::And(hn::BitCast(di, shifted), hn::Set(di, std::int8_t{Codes::kMask}));
      hn::StoreU(hn::Sub(code, hn::Set(di, std::int8_t{Codes::kBias})), di, values + i * stride);
    };
    store(hn::ShiftRight<Codes::shift(0)>(bytes), 0);
    store(hn::ShiftRight<Codes::shift(1)>(bytes), 1);
    if constexpr (Codes::kCodes == 4) {
      store(hn::ShiftRight<Codes::shift(2)>(bytes), 2);
      store(hn::ShiftRight<Codes::shift(3)>(bytes), 3);
    }
  }
};

struct Base3Vectors {
  template <class D8>
  static HWY_INLINE void pack(D8 d, const std::int8_t* values, std::size_t stride, std::uint8_t* out) {
    const hn::Repartition<std::uint16_t, D8> d16;
    const hn::RebindToSigned<D8> di;
    auto v = hn::Zero(d);
    for (std::size_t i = 0; i < Base3::kCodes; ++i) {
      const auto digit = hn::Add(hn::LoadU(di, values + i * stride), hn::Set(di, std::int8_t{1}));
      v = hn::Add(hn::Add(v, hn::Add(v, v)), hn::BitCast(d, digit));
    }
    // As base3_byte, the bytes at even and odd places.
    const auto rest = [&](auto x) HWY_ATTR {
      const auto scaled =
          hn::Add(hn::Mul(x, hn::Set(d16, std::uint16_t{13})), hn::Set(d16, std::uint16_t{242}));
      return hn::MulHigh(scaled, hn::Set(d16, std::uint16_t{270}));
    };
    const auto pairs = hn::BitCast(d16, v);
    const auto even = rest(hn::And(pairs, hn::Set(d16, std::uint16_t{255})));
    const auto odd = rest(hn::ShiftRight<8>(pairs));
    hn::StoreU(hn::Add(v, hn::BitCast(d, hn::Or(even, hn::ShiftLeft<8>(odd)))), d, out);
  }

  template <class D8>
  static HWY_INLINE void unpack(D8 d, const std::uint8_t* in, std::size_t stride, std::int8_t* values) {
    const hn::RebindToSigned<D8> di;
    auto fraction = hn::LoadU(d, in);
    for (std::size_t i = 0; i < Base3::kCodes; ++i) {
      // The digit ⌊3 · fraction / 256⌋ counts the thirds that the fraction reaches: 86 and 171 of 256.
      const auto one = hn::BitCast(di, hn::VecFromMask(d, hn::Gt(fraction, hn::Set(d, std::uint8_t{85}))));
      const auto two = hn::BitCast(di, hn::VecFromMask(d, hn::Gt(fraction, hn::Set(d, std::uint8_t{170}))));
      hn::StoreU(hn::Sub(hn::Sub(hn::Set(di, std::int8_t{-1}), one), two), di, values + i * stride);
      fraction = hn::Add(fraction, hn::Add(fraction, fraction));
    }
  }
};

/// f(tag, m) for whole vectors within a group, then halves and quarters of the widest; returns where the rest
/// begins. Groups of the layouts are 16 or 32 bytes.
template <class F>
HWY_INLINE std::size_t each_vector(std::size_t stride, F f) {
  std::size_t m = 0;
  const hn::CappedTag<std::uint8_t, 64> whole;
  const hn::CappedTag<std::uint8_t, 32> half;
  const hn::CappedTag<std::uint8_t, 16> quarter;
  for (; m + hn::MaxLanes(whole) <= stride; m += hn::MaxLanes(whole)) f(whole, m);
  for (; m + hn::MaxLanes(half) <= stride; m += hn::MaxLanes(half)) f(half, m);
  for (; m + hn::MaxLanes(quarter) <= stride; m += hn::MaxLanes(quarter)) f(quarter, m);
  return m;
}

template <class Codes, class Vectors>
void pack(const std::int8_t* values, std::size_t groups, std::size_t stride, std::uint8_t* out) {
  for (; groups > 0; --groups, values += Codes::kCodes * stride, out += stride) {
    std::size_t m = each_vector(
        stride, [&](auto d, std::size_t at) HWY_ATTR { Vectors::pack(d, values + at, stride, out + at); });
    for (; m < stride; ++m) out[m] = Codes::pack(values + m, stride);
  }
}

template <class Codes, class Vectors>
void unpack(const std::uint8_t* in, std::size_t groups, std::size_t stride, std::int8_t* values) {
  for (; groups > 0; --groups, in += stride, values += Codes::kCodes * stride) {
    std::size_t m = each_vector(
        stride, [&](auto d, std::size_t at) HWY_ATTR { Vectors::unpack(d, in + at, stride, values + at); });
    for (; m < stride; ++m) Codes::unpack(in[m], stride, values + m);
  }
}

const PackingLoops& vector_loops() {
  static constexpr PackingLoops kLoops{pack<Trits2High, BitVectors<Trits2High>>,
                                       unpack<Trits2High, BitVectors<Trits2High>>,
                                       pack<Trits2Low, BitVectors<Trits2Low>>,
                                       unpack<Trits2Low, BitVectors<Trits2Low>>,
                                       pack<Nibbles, BitVectors<Nibbles>>,
                                       unpack<Nibbles, BitVectors<Nibbles>>,
                                       pack<Base3, Base3Vectors>,
                                       unpack<Base3, Base3Vectors>};
  return kLoops;
}
#endif

const PackingLoops* table() {
  return &vector_loops();
}

}  // namespace
}  // namespace sterna::packing::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sterna::packing {
HWY_EXPORT(table);

const PackingLoops& loops() {
  static const PackingLoops& chosen = *HWY_DYNAMIC_DISPATCH(table)();
  return chosen;
}
}  // namespace sterna::packing
#endif
