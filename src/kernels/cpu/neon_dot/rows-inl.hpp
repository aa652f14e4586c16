// Ternary products of one token with the dot products of ARMv8.2: sdot adds 4 products to each of 4 lanes of
// int32. Bound by reading the weights.
//
// Included inside namespace sterna::<isa>, after neon/codes-inl.hpp.

namespace {

/// The field at a shift of the byte, left where it is: code · 2^kShift. The topmost would become the sign and
/// is shifted down instead, which is one instruction as well.
template <int kShift>
inline int8x16_t scaled_codes(uint8x16_t bytes) {
  if constexpr (kShift == 6) {
    return vreinterpretq_s8_u8(vshrq_n_u8(bytes, 6));
  } else {
    return vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(3 << kShift)));
  }
}

/// The first column, in a group, of the field that lies at a shift.
template <class Layout>
constexpr std::size_t cols_at(int shift) {
  std::size_t col = 0;
  for (int f = 0; Layout::shift(f) != shift; ++f) col += kFieldCols;
  return col;
}

/// The sums of one row, by the scale of the codes in them. A step adds at most 4·(2·16)·128 = 2^14 to a lane
/// of the sixteenfold ones, twice a group: 2^16 groups, 8 million columns, fit int32 (and the plain sum of 16
/// million would not).
struct ScaledSums {
  int32x4_t ones = {};
  int32x4_t fours = {};
  int32x4_t sixteens = {};

  /// Exact: each lane is a multiple of its scale.
  int32x4_t total() const { return vsraq_n_s32(vsraq_n_s32(ones, fours, 2), sixteens, 4); }
};

/// Rows [row, row + kRows) of one token. 16 bytes of weights are 64 columns: a load, 4 instructions that
/// unpack, 4 that multiply, and a share of the loads of 4 vectors of activations. The sums of 4 rows, the
/// activations, three masks and the bytes and codes in work are 24 of the 32 registers.
template <class Layout, int kRows>
inline void vector_rows(const TernaryArgs& a, std::size_t row) {
  const std::uint8_t* rows[kRows];
  for (int r = 0; r < kRows; ++r) rows[r] = a.weights + (row + r) * a.weight_stride;
  const std::size_t next = kRows * a.weight_stride;  // what the next rows read at the same place
  const std::size_t groups = groups_of(a.cols);
  ScaledSums sums[kRows];
  const std::int8_t* x = a.x;
  for (std::size_t g = 0; g < groups; ++g, x += kGroupCols) {
    for (std::size_t half = 0; half < 2; ++half) {
      asm("" ::: "memory");  // or GCC 12 loads both halves' activations here, and has too few registers
      asm("" ::: "memory");  // or GCC 12 loads both halves' activations here, and has too few registers
      const std::size_t at = half * kVectorBytes;
      const int8x16_t q0 = vld1q_s8(x + cols_at<Layout>(0) + at);
      const int8x16_t q2 = vld1q_s8(x + cols_at<Layout>(2) + at);
      const int8x16_t q4 = vld1q_s8(x + cols_at<Layout>(4) + at);
      const int8x16_t q6 = vld1q_s8(x + cols_at<Layout>(6) + at);
      for (int r = 0; r < kRows; ++r) {
        const std::uint8_t* from = rows[r] + Layout::offset(g) + at;
        if (half == 0) prefetch(from + next);
        const uint8x16_t bytes = vld1q_u8(from);
        sums[r].ones = vdotq_s32(sums[r].ones, scaled_codes<0>(bytes), q0);
        sums[r].fours = vdotq_s32(sums[r].fours, scaled_codes<2>(bytes), q2);
        sums[r].sixteens = vdotq_s32(sums[r].sixteens, scaled_codes<4>(bytes), q4);
        sums[r].ones = vdotq_s32(sums[r].ones, scaled_codes<6>(bytes), q6);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) a.out[row + r] = vaddvq_s32(sums[r].total()) - a.x_sums[0];
}

template <class Layout>
inline void matrix_vector(const TernaryArgs& a) {
  std::size_t row = a.row_begin;
  for (; row + 4 <= a.row_end; row += 4) vector_rows<Layout, 4>(a, row);
  for (; row < a.row_end; ++row) vector_rows<Layout, 1>(a, row);
}

}  // namespace
