// TQ1_0, by llama.cpp: five trits to a byte (base3.hpp), an f16 scale per 256 weights.
//
//   A block of 256 weights is 54 bytes in three runs, then the scale. Byte m of a run of S bytes holds the
//   weights m, m + S, m + 2S, … of that run, the first one as the leading digit:
//
//     bytes    0 … 31   weights   0 … 159   5 to a byte
//             32 … 47           160 … 239   5 to a byte
//             48 … 51           240 … 255   4 to a byte, the fifth digit 0
//             52, 53            scale
#include "packing/base3.hpp"
#include "packing/layout.hpp"
#include "packing/simd/loops.hpp"

namespace sterna::packing {
namespace {

struct Layout {
  static constexpr DType kDType = DType::TQ1_0;
  static constexpr std::size_t kElements = 256;
  static constexpr std::size_t kTritBytes = 52;

  static void decode(const std::uint8_t* in, std::int8_t* trits) {
    loops().unpack_base3(in, 1, 32, trits);
    loops().unpack_base3(in + 32, 1, 16, trits + 160);
    for (std::size_t n = 0; n < 4; ++n) {
      for (std::size_t m = 0; m < 4; ++m) {
        trits[240 + 4 * n + m] = trit_of(base3_digit(in[48 + m], kPowersOf3[n]));
      }
    }
  }

  static void encode(const std::int8_t* trits, std::uint8_t* out) {
    loops().pack_base3(trits, 1, 32, out);
    loops().pack_base3(trits + 160, 1, 16, out + 32);
    for (std::size_t m = 0; m < 4; ++m) {
      unsigned v = 0;
      for (std::size_t n = 0; n < 4; ++n) v = v * 3 + code_of(trits[240 + 4 * n + m]);
      out[48 + m] = base3_byte(v * 3);
    }
  }
};

}  // namespace

Packing tq1_0() noexcept {
  using Codec = BlockScaled<Layout>;
  return {DType::TQ1_0,  1.6875,      ScaleGrain::Block,    DType::F16,
          Codec::unpack, Codec::pack, Codec::dequantize_row};
}

}  // namespace sterna::packing
