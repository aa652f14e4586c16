// IQ2_BN, by ik_llama.cpp: 2-bit codes, an f32 scale per row.
//
//   A row is its scale (4 bytes), then 16 bytes per 64 weights; byte j holds four of them, 16 apart, the
//   first one lowest:
//
//     bit     7 6          5 4          3 2        1 0
//          c[j + 48]    c[j + 32]    c[j + 16]    c[j]        c = w + 1
#include "packing/layout.hpp"
#include "packing/simd/loops.hpp"

namespace sterna::packing {
namespace {

struct Layout {
  static constexpr DType kDType = DType::IQ2_BN;
  static constexpr std::size_t kElements = 64;
  static constexpr std::size_t kTritBytes = 16;

  static void decode(const std::uint8_t* in, std::int8_t* trits) { loops().unpack2_low(in, 1, 16, trits); }
  static void encode(const std::int8_t* trits, std::uint8_t* out) { loops().pack2_low(trits, 1, 16, out); }
};

}  // namespace

Packing iq2_bn() noexcept {
  using Codec = RowScaled<Layout, float>;
  return {DType::IQ2_BN, 2.0, ScaleGrain::Row, DType::F32, Codec::unpack, Codec::pack, Codec::dequantize_row};
}

}  // namespace sterna::packing
