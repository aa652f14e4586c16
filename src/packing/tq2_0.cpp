// TQ2_0, by llama.cpp: 2-bit codes, an f16 scale per 256 weights.
//
//   A block of 256 weights is 66 bytes: 64 of codes, then the scale. Each half of the codes holds 128
//   weights; byte m of half h holds four of them, 32 apart, the first one lowest:
//
//     bit      7 6             5 4            3 2          1 0
//          c[h,m + 96]     c[h,m + 64]    c[h,m + 32]    c[h,m]        c = w + 1,  c[h,i] = c[128h + i]
#include "packing/layout.hpp"
#include "packing/simd/loops.hpp"

namespace sterna::packing {
namespace {

struct Layout {
  static constexpr DType kDType = DType::TQ2_0;
  static constexpr std::size_t kElements = 256;
  static constexpr std::size_t kTritBytes = 64;

  static void decode(const std::uint8_t* in, std::int8_t* trits) { loops().unpack2_low(in, 2, 32, trits); }
  static void encode(const std::int8_t* trits, std::uint8_t* out) { loops().pack2_low(trits, 2, 32, out); }
};

}  // namespace

Packing tq2_0() noexcept {
  using Codec = BlockScaled<Layout>;
  return {DType::TQ2_0,  2.0625,      ScaleGrain::Block,    DType::F16,
          Codec::unpack, Codec::pack, Codec::dequantize_row};
}

}  // namespace sterna::packing
