// How a row of a dense matrix is read: 32 elements after 32 as float32, each exactly code · scale as
// tensor/dequantize.hpp has it. Block layouts: docs/packings.md.
//
// Included inside namespace sterna::<isa>, after simd.hpp and math-inl.hpp.

namespace {

// A reader starts at the address of a row, or kPieceBytes · i further at element 256 · i, and gives
//   next(w)       the next 32 elements
//   last(n, w)    the last n < 32 elements and zeros after them; a row of blocks has no such rest

constexpr std::size_t kPieceCols = 256;  // a whole number of blocks in every format

/// One element after the other: Format has kElement bytes each, and reads kLanes of them.
template <class Format>
class PlainReader {
 public:
  static constexpr std::size_t kElement = Format::kElement;
  static constexpr std::size_t kPieceBytes = kPieceCols * kElement;

  explicit PlainReader(const std::byte* row) : at_(row) {}
  [[gnu::always_inline]] void next(F (&w)[kVectors]) {
    for (int j = 0; j < kVectors; ++j) w[j] = Format::read(at_ + j * kLanes * kElement);
    at_ += kPartials * kElement;
  }
  void last(std::size_t n, F (&w)[kVectors]) {
    alignas(64) std::byte rest[kPartials * kElement] = {};
    for (std::size_t i = 0; i < n * kElement; ++i) rest[i] = at_[i];
    PlainReader(rest).next(w);
  }

 private:
  const std::byte* at_;
};

struct F32Format {
  static constexpr std::size_t kElement = 4;
  static F read(const std::byte* from) { return load(from); }
};
struct F16Format {
  static constexpr std::size_t kElement = 2;
  static F read(const std::byte* from) { return load_f16(from); }
};
struct BF16Format {
  static constexpr std::size_t kElement = 2;
  static F read(const std::byte* from) { return load_bf16(from); }
};
using F32Reader = PlainReader<F32Format>;
using F16Reader = PlainReader<F16Format>;
using BF16Reader = PlainReader<BF16Format>;

/// n < 32 floats and zeros after them.
inline void load_last(const float* from, std::size_t n, F (&v)[kVectors]) {
  F32Reader(reinterpret_cast<const std::byte*>(from)).last(n, v);
}

inline void no_rest(F (&w)[kVectors]) {
  for (F& v : w) v = splat(0.0f);
}

/// q8_0: a block of 32 is an f16 scale and 32 int8 codes.
class Q8_0Reader {
 public:
  static constexpr std::size_t kPieceBytes = kPieceCols / 32 * 34;

  explicit Q8_0Reader(const std::byte* row) : block_(row) {}
  [[gnu::always_inline]] void next(F (&w)[kVectors]) {
    const F scale = splat_f16(block_);
    for (int j = 0; j < kVectors; ++j) w[j] = to_float(load_i8(block_ + 2 + j * kLanes)) * scale;
    block_ += 34;
  }
  void last(std::size_t, F (&w)[kVectors]) { no_rest(w); }

 private:
  const std::byte* block_;
};

/// q4_0: a block of 32 is an f16 scale and 16 bytes; low nibbles are elements 0 … 15, high ones 16 … 31;
/// value (code − 8) · scale.
class Q4_0Reader {
 public:
  static constexpr std::size_t kPieceBytes = kPieceCols / 32 * 18;

  explicit Q4_0Reader(const std::byte* row) : block_(row) {}
  [[gnu::always_inline]] void next(F (&w)[kVectors]) {
    const F scale = splat_f16(block_);
    for (int j = 0; j < kVectors / 2; ++j) {
      const I codes = load_u8(block_ + 2 + j * kLanes);
      w[j] = to_float((codes & 15) - 8) * scale;
      w[j + kVectors / 2] = to_float((codes >> 4) - 8) * scale;
    }
    block_ += 18;
  }
  void last(std::size_t, F (&w)[kVectors]) { no_rest(w); }

 private:
  const std::byte* block_;
};

/// q6_k: a block of 256 is ql[128], qh[64], int8 scales[16], f16 d. Half h of the block (128 elements) has
/// ql[64h …] and qh[32h …]; its part q (32 elements) has low bits in nibble q / 2 of ql[32 (q % 2) + i], high
/// bits at 2q of qh[i], and a scale for each 16 elements; value (code − 32) · (d · scale).
class Q6KReader {
 public:
  static constexpr std::size_t kPieceBytes = 210;

  explicit Q6KReader(const std::byte* row) : block_(row) {}
  [[gnu::always_inline]] void next(F (&w)[kVectors]) {
    if (part_ == 0) {
      const F d = splat_f16(block_ + 208);
      for (int i = 0; i < 16; i += kLanes) store(scales_ + i, d * to_float(load_i8(block_ + 192 + i)));
    }
    if (part_ % 4 == 0) join_half(block_ + part_ * 16, block_ + 128 + part_ * 8);
    const std::int8_t* codes = codes_ + part_ % 4 * 32;
    const float* scales = scales_ + 2 * part_;
    for (int j = 0; j < kVectors; ++j) {
      w[j] = to_float(load_i8(codes + j * kLanes)) * splat(scales[j * kLanes / 16]);
    }
    if (++part_ == 8) {
      part_ = 0;
      block_ += 210;
    }
  }
  void last(std::size_t, F (&w)[kVectors]) { no_rest(w); }

 private:
  using Words = std::uint16_t __attribute__((vector_size(32)));  // shifted as words, masked as bytes
  using Codes = std::int8_t __attribute__((vector_size(32)));

  /// The 128 codes of a half, joined while 32 of them still fit a vector.
  [[gnu::always_inline]] void join_half(const std::byte* low, const std::byte* high) {
    Words l0, l1, h;
    __builtin_memcpy(&l0, low, sizeof l0);
    __builtin_memcpy(&l1, low + 32, sizeof l1);
    __builtin_memcpy(&h, high, sizeof h);
    const Words joined[4] = {(l0 & 0x0f0f) | (h << 4 & 0x3030), (l1 & 0x0f0f) | (h << 2 & 0x3030),
                             (l0 >> 4 & 0x0f0f) | (h & 0x3030), (l1 >> 4 & 0x0f0f) | (h >> 2 & 0x3030)};
    for (int q = 0; q < 4; ++q) {
      const Codes codes = reinterpret_cast<Codes>(joined[q]) - 32;
      __builtin_memcpy(codes_ + q * 32, &codes, sizeof codes);
    }
  }

  const std::byte* block_;
  unsigned part_ = 0;  ///< of 8 in the block
  float scales_[16];
  alignas(64) std::int8_t codes_[128];
};

}  // namespace
