// TQ2_0, by llama.cpp: 2-bit codes, an f16 scale per 256 weights.
//
//   A block of 256 weights is 66 bytes: 64 of codes, then the scale. Each half of the codes holds 128
//   weights; byte m of half h holds four of them, 32 apart, the first one lowest:
//
//     bit      7 6             5 4            3 2          1 0
//          c[h,m + 96]     c[h,m + 64]    c[h,m + 32]    c[h,m]        c = w + 1,  c[h,i] = c[128h + i]
#include "packing/layout.hpp"

namespace sterna::packing {
namespace {

struct Layout {
  static constexpr DType kDType = DType::TQ2_0;
  static constexpr std::size_t kElements = 256;
  static constexpr std::size_t kTritBytes = 64;

  static void decode(const std::uint8_t* in, std::int8_t* trits) {
    for (std::size_t half = 0; half < 2; ++half, in += 32, trits += 128) {
      for (std::size_t m = 0; m < 32; ++m) {
        const unsigned byte = in[m];
        trits[m] = trit_of(byte & 3);
        trits[m + 32] = trit_of(byte >> 2 & 3);
        trits[m + 64] = trit_of(byte >> 4 & 3);
        trits[m + 96] = trit_of(byte >> 6);
      }
    }
  }

  static void encode(const std::int8_t* trits, std::uint8_t* out) {
    for (std::size_t half = 0; half < 2; ++half, out += 32, trits += 128) {
      for (std::size_t m = 0; m < 32; ++m) {
        out[m] = static_cast<std::uint8_t>(code_of(trits[m]) | code_of(trits[m + 32]) << 2 |
                                           code_of(trits[m + 64]) << 4 | code_of(trits[m + 96]) << 6);
      }
    }
  }
};

}  // namespace

Packing tq2_0() noexcept {
  using Codec = BlockScaled<Layout>;
  return {DType::TQ2_0,  2.0625,      ScaleGrain::Block,    DType::F16,
          Codec::unpack, Codec::pack, Codec::dequantize_row};
}

}  // namespace sterna::packing
