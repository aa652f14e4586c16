// Ternary products with the dot products of ARMv8.2: sdot adds 4 products to each of 4 lanes of int32. A
// product is at most 2·128 in magnitude, so a lane could take 8 million of them.
#include <arm_neon.h>

#include "kernels/kernel_args.hpp"

namespace sterna::neon_dot {

// Each builds on those before it.
// clang-format off
#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/ternary_layouts-inl.hpp"
#include "kernels/cpu/neon/codes-inl.hpp"
#include "kernels/cpu/neon_dot/rows-inl.hpp"
// clang-format on

namespace {

using Sum = int32x4_t;
constexpr std::size_t kPieceCols = 2048;  // what the first-level cache holds, not what a sum does

inline Sum add_products(Sum sum, int8x16_t c, int8x16_t q) {
  return vdotq_s32(sum, c, q);
}
inline int32x4_t widen(Sum sum) {
  return sum;
}

}  // namespace

// clang-format off
#include "kernels/cpu/neon/tiles-inl.hpp"
#include "kernels/cpu/neon/base3-inl.hpp"
// clang-format on

namespace {

template <class Layout>
inline void ternary(const TernaryArgs& a) {
  if (a.tokens == 1) {
    matrix_vector<Layout>(a);
  } else {
    matrix_matrix<TwoBits<Layout>>(a);
  }
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

}  // namespace sterna::neon_dot
