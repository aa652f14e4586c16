// Ternary products of weights in base 3 (TQ1_0) in 128-bit vectors, in the words of tiles-inl.hpp.
//
// mul brings digit n of a byte to the front, fraction f = byte · 3^n mod 256, and the digit is ⌊3 f / 256⌋ =
// ⌊(f + ⌊f / 2⌋) / 128⌋: half of f, a halving addition, which has a ninth bit, and a shift by 6. Four
// instructions for 16 codes, where 2-bit codes need one or two.
//
// Included inside namespace sterna::<isa>, after tiles-inl.hpp.

namespace {

inline int8x16_t digit(uint8x16_t fraction) {
  return vreinterpretq_s8_u8(vshrq_n_u8(vhaddq_u8(fraction, vshrq_n_u8(fraction, 1)), 6));
}

/// The codes of 16 columns: of a vector of bytes digit n.
inline int8x16_t codes_of_digit(uint8x16_t bytes, int n) {
  constexpr std::uint8_t kPowers[] = {1, 3, 9, 27, 81};
  return digit(n == 0 ? bytes : vmulq_u8(bytes, vdupq_n_u8(kPowers[n])));
}

/// The 16 codes of a last run, four bytes: every dword of the vector is another digit.
inline int8x16_t last_run_codes(const std::uint8_t* run) {
  std::uint32_t bytes;
  __builtin_memcpy(&bytes, run, sizeof bytes);
  const uint32x4_t powers = {0x01010101, 0x03030303, 0x09090909, 0x1b1b1b1b};
  return digit(vmulq_u8(vreinterpretq_u8_u32(vdupq_n_u32(bytes)), vreinterpretq_u8_u32(powers)));
}

/// Where 16 bytes of five digits each lie in a block, and the columns of a digit and from one to the next.
struct Run {
  std::size_t bytes;
  std::size_t cols;
  std::size_t stride;
};
constexpr Run kRuns[] = {{0, 0, 32}, {16, 16, 32}, {LayoutTQ1::kRun1, LayoutTQ1::kRun1Cols, 16}};
constexpr int kDigits = 5;

/// Rows [row, row + kRows) of one token, which share the loads of the activations.
template <int kRows>
inline void base3_rows(const TernaryArgs& a, std::size_t row) {
  constexpr std::size_t kSumBlocks = kPieceCols / LayoutTQ1::kCols;
  const std::uint8_t* weights = a.weights + row * a.weight_stride;
  const std::size_t next = kRows * a.weight_stride;  // what the next rows read at the same place
  const std::size_t blocks = LayoutTQ1::blocks_of(a.cols);
  int32x4_t total[kRows] = {};
  for (std::size_t first = 0; first < blocks; first += kSumBlocks) {
    const std::size_t last = least(first + kSumBlocks, blocks);
    Sum sum[kRows] = {};
    for (std::size_t b = first; b < last; ++b) {
      const std::int8_t* x = a.x + b * LayoutTQ1::kCols;
      const std::uint8_t* block = weights + b * LayoutTQ1::kBytes;
      for (const Run& run : kRuns) {
        int8x16_t q[kDigits];
        for (int n = 0; n < kDigits; ++n)
          q[n] = vld1q_s8(x + run.cols + static_cast<std::size_t>(n) * run.stride);
        for (int r = 0; r < kRows; ++r) {
          const std::uint8_t* from = block + r * a.weight_stride + run.bytes;
          if (run.bytes == 0) prefetch(from + next);
          const uint8x16_t bytes = vld1q_u8(from);
          for (int n = 0; n < kDigits; ++n) sum[r] = add_products(sum[r], codes_of_digit(bytes, n), q[n]);
        }
      }
      const int8x16_t q = vld1q_s8(x + LayoutTQ1::kRun2Cols);
      for (int r = 0; r < kRows; ++r) {
        sum[r] = add_products(sum[r], last_run_codes(block + r * a.weight_stride + LayoutTQ1::kRun2), q);
      }
    }
    for (int r = 0; r < kRows; ++r) total[r] = vaddq_s32(total[r], widen(sum[r]));
  }
  for (int r = 0; r < kRows; ++r) a.out[row + r] = vaddvq_s32(total[r]) - a.x_sums[0];
}

struct Base3 {
  static constexpr std::size_t kCols = LayoutTQ1::kCols;
  static void unpack(const std::uint8_t* row, std::size_t first, std::size_t count, std::size_t next,
                     std::int8_t* to) {
    for (std::size_t b = first; b < first + count; ++b, to += kCols) {
      const std::uint8_t* block = row + b * LayoutTQ1::kBytes;
      prefetch(block + next);
      for (const Run& run : kRuns) {
        const uint8x16_t bytes = vld1q_u8(block + run.bytes);
        for (int n = 0; n < kDigits; ++n) {
          store(to + run.cols + static_cast<std::size_t>(n) * run.stride, codes_of_digit(bytes, n));
        }
      }
      store(to + LayoutTQ1::kRun2Cols, last_run_codes(block + LayoutTQ1::kRun2));
    }
  }
};

inline void ternary_base3(const TernaryArgs& a) {
  if (a.tokens != 1) return matrix_matrix<Base3>(a);
  std::size_t row = a.row_begin;
  for (; row + 4 <= a.row_end; row += 4) base3_rows<4>(a, row);
  for (; row < a.row_end; ++row) base3_rows<1>(a, row);
}

}  // namespace
