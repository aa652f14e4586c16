// Ternary products with NEON as every aarch64 has it: smlal multiplies 8 codes by 8 activations and adds the
// products to 8 lanes of int16.
//
// How long int16 may accumulate: a product is at most 2·128 = 256 in magnitude, reached only by q = −128.
// Hence 128 products in a lane sum to −32768 at the least and to 128·2·127 = 32512 at the most: both fit.
#include <arm_neon.h>

#include "kernels/kernel_args.hpp"

namespace sterna::neon {

// Each builds on those before it.
// clang-format off
#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/ternary_layouts-inl.hpp"
#include "kernels/cpu/neon/codes-inl.hpp"
// clang-format on

namespace {

using Sum = int16x8_t;
// A vector of 16 columns puts two products into a lane: 64 vectors, 1024 columns.
constexpr std::size_t kPieceCols = 1024;

inline Sum add_products(Sum sum, int8x16_t c, int8x16_t q) {
  return vmlal_high_s8(vmlal_s8(sum, vget_low_s8(c), vget_low_s8(q)), c, q);
}
inline int32x4_t widen(Sum sum) {
  return vpaddlq_s16(sum);
}

}  // namespace

// clang-format off
#include "kernels/cpu/neon/tiles-inl.hpp"
#include "kernels/cpu/neon/base3-inl.hpp"
// clang-format on

namespace {

// ---- one token: arithmetic and reading the weights weigh alike --------------------------------------------
// 16 bytes of weights are 64 columns: a load, 6 instructions that unpack, 8 that multiply. The loads of 4
// vectors of activations are shared by the rows: 4 of them, one load a row.

/// Rows [row, row + kRows) of one token. Each row has one sum for the low and one for the high half of the
/// vectors: 8 chains of additions hide the latency of smlal, and each takes a product a vector: 128 vectors
/// are 16 groups.
template <class Layout, int kRows>
inline void vector_rows(const TernaryArgs& a, std::size_t row) {
  constexpr std::size_t kGroupsPerSum = 16;
  const std::uint8_t* weights = a.weights + row * a.weight_stride;
  const std::size_t next = kRows * a.weight_stride;  // what the next rows read at the same place
  const std::size_t groups = groups_of(a.cols);
  int32x4_t total[kRows] = {};
  for (std::size_t first = 0; first < groups; first += kGroupsPerSum) {
    const std::size_t last = least(first + kGroupsPerSum, groups);
    Sum low[kRows] = {};
    Sum high[kRows] = {};
    for (std::size_t g = first; g < last; ++g) {
      for (std::size_t half = 0; half < 2; ++half) {
        const std::int8_t* x = a.x + g * kGroupCols + half * kVectorBytes;
        int8x16_t q[kFields];
        for (int f = 0; f < kFields; ++f) q[f] = vld1q_s8(x + f * kFieldCols);
        for (int r = 0; r < kRows; ++r) {
          const std::uint8_t* from = weights + r * a.weight_stride + Layout::offset(g) + half * kVectorBytes;
          if (half == 0) prefetch(from + next);
          const uint8x16_t bytes = vld1q_u8(from);
          const int8x16_t c[kFields] = {codes<Layout, 0>(bytes), codes<Layout, 1>(bytes),
                                        codes<Layout, 2>(bytes), codes<Layout, 3>(bytes)};
          for (int f = 0; f < kFields; ++f) {
            low[r] = vmlal_s8(low[r], vget_low_s8(c[f]), vget_low_s8(q[f]));
            high[r] = vmlal_high_s8(high[r], c[f], q[f]);
          }
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      total[r] = vpadalq_s16(vpadalq_s16(total[r], low[r]), high[r]);
    }
  }
  for (int r = 0; r < kRows; ++r) a.out[row + r] = vaddvq_s32(total[r]) - a.x_sums[0];
}

template <class Layout>
inline void ternary(const TernaryArgs& a) {
  if (a.tokens != 1) return matrix_matrix<TwoBits<Layout>>(a);
  std::size_t row = a.row_begin;
  for (; row + 4 <= a.row_end; row += 4) vector_rows<Layout, 4>(a, row);
  for (; row < a.row_end; ++row) vector_rows<Layout, 1>(a, row);
}

}  // namespace

void ternary_i2_s(const TernaryArgs& args) {
  ternary<LayoutI2S>(args);
}
void ternary_tq2_0(const TernaryArgs& args) {
  ternary<LayoutTQ2>(args);
}
void ternary_tq1_0(const TernaryArgs& args) {
  ternary_base3(args);
}

}  // namespace sterna::neon
