// How a row of a dense matrix is read: 32 elements at a time as float32, each exactly code · scale as
// tensor/dequantize.hpp has it. Block layouts: docs/formats.md.
//
// Included inside namespace sterna::<isa>, after simd.hpp and math-inl.hpp.
//
// A weight format gives
//   decode(row, k, w)            w = elements k … k + 31, k a multiple of 32
//   decode_last(row, k, n, w)    elements k … n − 1, fewer than 32, and zeros after them; plain formats only:
//                                a row of blocks has no rest

namespace {

/// Formats of one element after the other: kElement bytes each, kLanes of them read by read().
template <class Format>
struct PlainWeights {
  static void decode(const std::byte* row, std::size_t k, F (&w)[kVectors]) {
    for (int j = 0; j < kVectors; ++j) w[j] = Format::read(row + (k + j * kLanes) * Format::kElement);
  }
  static void decode_last(const std::byte* row, std::size_t k, std::size_t n, F (&w)[kVectors]) {
    alignas(64) std::byte rest[kPartials * Format::kElement] = {};
    const std::byte* from = row + k * Format::kElement;
    for (std::size_t i = 0; i < (n - k) * Format::kElement; ++i) rest[i] = from[i];
    decode(rest, 0, w);
  }
};

struct F32Weights : PlainWeights<F32Weights> {
  static constexpr std::size_t kElement = 4;
  static F read(const std::byte* from) { return load(from); }
};
struct F16Weights : PlainWeights<F16Weights> {
  static constexpr std::size_t kElement = 2;
  static F read(const std::byte* from) { return load_f16(from); }
};
struct BF16Weights : PlainWeights<BF16Weights> {
  static constexpr std::size_t kElement = 2;
  static F read(const std::byte* from) { return load_bf16(from); }
};

/// Formats of whole blocks.
struct BlockWeights {
  static void decode_last(const std::byte*, std::size_t, std::size_t, F (&w)[kVectors]) {
    for (F& v : w) v = splat(0.0f);
  }
};

/// The binary16 number at an address, in all lanes.
inline F splat_f16(const std::byte* from) {
  std::uint16_t halves[kLanes] = {};
  __builtin_memcpy(halves, from, sizeof halves[0]);
  return splat(load_f16(halves)[0]);
}

/// q8_0: a block of 32 is an f16 scale and 32 int8 codes.
struct Q8_0Weights : BlockWeights {
  static void decode(const std::byte* row, std::size_t k, F (&w)[kVectors]) {
    const std::byte* block = row + k / 32 * 34;
    const F scale = splat_f16(block);
    for (int j = 0; j < kVectors; ++j) w[j] = to_float(load_i8(block + 2 + j * kLanes)) * scale;
  }
};

/// q4_0: a block of 32 is an f16 scale and 16 bytes; low nibbles are elements 0 … 15, high ones 16 … 31;
/// value (code − 8) · scale.
struct Q4_0Weights : BlockWeights {
  static void decode(const std::byte* row, std::size_t k, F (&w)[kVectors]) {
    const std::byte* block = row + k / 32 * 18;
    const F scale = splat_f16(block);
    for (int j = 0; j < kVectors / 2; ++j) {
      const I codes = load_u8(block + 2 + j * kLanes);
      w[j] = to_float((codes & 15) - 8) * scale;
      w[j + kVectors / 2] = to_float((codes >> 4) - 8) * scale;
    }
  }
};

/// q6_k: a block of 256 is ql[128], qh[64], int8 scales[16], f16 d. Half h of the block (128 elements) has
/// ql[64h …], qh[32h …]; its part q (32 elements) has low bits in nibble q / 2 of ql[32 (q % 2) + i], high
/// bits at 2q of qh[i], and a scale for each 16 elements; value (code − 32) · (d · scale).
struct Q6KWeights : BlockWeights {
  static void decode(const std::byte* row, std::size_t k, F (&w)[kVectors]) {
    const std::byte* block = row + k / 256 * 210;
    const auto half = k % 256 / 128;
    const auto part = static_cast<int>(k % 128 / 32);
    const std::byte* low = block + half * 64 + part % 2 * 32;
    const std::byte* high = block + 128 + half * 32;
    const auto* scales = reinterpret_cast<const std::int8_t*>(block + 192) + k % 256 / 16;
    const F d = splat_f16(block + 208);
    for (int j = 0; j < kVectors; ++j) {
      const F scale = d * splat(static_cast<float>(scales[j * kLanes / 16]));
      const I codes = (load_u8(low + j * kLanes) >> (part / 2 * 4) & 15) |
                      (load_u8(high + j * kLanes) >> (part * 2) & 3) << 4;
      w[j] = to_float(codes - 32) * scale;
    }
  }
};

}  // namespace
