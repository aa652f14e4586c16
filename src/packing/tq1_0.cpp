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

namespace sterna::packing {
namespace {

/// A run of `Bytes` bytes with `Digits` weights in each. Returns through the pointers where it ended.
template <std::size_t Bytes, std::size_t Digits>
void decode_run(const std::uint8_t*& in, std::int8_t*& trits) {
  for (std::size_t n = 0; n < Digits; ++n) {
    for (std::size_t m = 0; m < Bytes; ++m) trits[m] = trit_of(base3_digit(in[m], kPowersOf3[n]));
    trits += Bytes;
  }
  in += Bytes;
}

template <std::size_t Bytes, std::size_t Digits>
void encode_run(const std::int8_t*& trits, std::uint8_t*& out) {
  for (std::size_t m = 0; m < Bytes; ++m) {
    unsigned v = 0;
    for (std::size_t n = 0; n < Digits; ++n) v = v * 3 + code_of(trits[m + n * Bytes]);
    for (std::size_t n = Digits; n < 5; ++n) v *= 3;
    out[m] = kBase3Byte[v];
  }
  trits += Bytes * Digits;
  out += Bytes;
}

struct Layout {
  static constexpr DType kDType = DType::TQ1_0;
  static constexpr std::size_t kElements = 256;
  static constexpr std::size_t kTritBytes = 52;

  static void decode(const std::uint8_t* in, std::int8_t* trits) {
    decode_run<32, 5>(in, trits);
    decode_run<16, 5>(in, trits);
    decode_run<4, 4>(in, trits);
  }

  static void encode(const std::int8_t* trits, std::uint8_t* out) {
    encode_run<32, 5>(trits, out);
    encode_run<16, 5>(trits, out);
    encode_run<4, 4>(trits, out);
  }
};

}  // namespace

Packing tq1_0() noexcept {
  using Codec = BlockScaled<Layout>;
  return {DType::TQ1_0,  1.6875,      ScaleGrain::Block,    DType::F16,
          Codec::unpack, Codec::pack, Codec::dequantize_row};
}

}  // namespace sterna::packing
