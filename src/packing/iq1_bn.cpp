// IQ1_BN, by ik_llama.cpp: five trits to a byte (base3.hpp), an f16 scale per row.
//
//   A row is its scale (2 bytes), then 13 bytes per 64 weights: four groups of 16.
//
//     byte 3g + k    digits of weights 16g + 5k … 16g + 5k + 4,   g = 0 … 3, k = 0 … 2, the first one LAST
//     byte 12        digits of weights 15, 31, 47, 63, the first one last; the leading digit 0
//
//   "Last" in the sense of base3.hpp: digit j is brought to the front by the multiplier 3^(4-j).
#include "packing/base3.hpp"
#include "packing/layout.hpp"

namespace sterna::packing {
namespace {

constexpr std::array<std::array<std::int8_t, 5>, 256> kTritsOfByte = [] {
  std::array<std::array<std::int8_t, 5>, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    for (std::size_t j = 0; j < 5; ++j) {
      const unsigned digit = base3_digit(static_cast<std::uint8_t>(byte), kPowersOf3[4 - j]);
      table[byte][j] = static_cast<std::int8_t>(static_cast<int>(digit) - 1);
    }
  }
  return table;
}();

struct Layout {
  static constexpr DType kDType = DType::IQ1_BN;
  static constexpr std::size_t kElements = 64;
  static constexpr std::size_t kTritBytes = 13;

  static void decode(const std::uint8_t* in, std::int8_t* trits) {
    const auto& last_of_groups = kTritsOfByte[in[12]];
    for (std::size_t g = 0; g < 4; ++g) {
      for (std::size_t k = 0; k < 3; ++k) {
        std::memcpy(trits + 16 * g + 5 * k, kTritsOfByte[in[3 * g + k]].data(), 5);
      }
      trits[16 * g + 15] = last_of_groups[g];
    }
  }

  static void encode(const std::int8_t* trits, std::uint8_t* out) {
    unsigned last_of_groups = 0;
    for (std::size_t g = 0; g < 4; ++g) {
      for (std::size_t k = 0; k < 3; ++k) {
        unsigned v = 0;
        for (std::size_t j = 0; j < 5; ++j) v += kPowersOf3[j] * code_of(trits[16 * g + 5 * k + j]);
        out[3 * g + k] = base3_byte(v);
      }
      last_of_groups += kPowersOf3[g] * code_of(trits[16 * g + 15]);
    }
    out[12] = base3_byte(last_of_groups);
  }
};

}  // namespace

Packing iq1_bn() noexcept {
  using Codec = RowScaled<Layout, std::uint16_t>;
  return {DType::IQ1_BN, 1.625,       ScaleGrain::Row,      DType::F16,
          Codec::unpack, Codec::pack, Codec::dequantize_row};
}

}  // namespace sterna::packing
