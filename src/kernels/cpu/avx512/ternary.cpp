// Ternary products with AVX-512 VNNI.
#include <immintrin.h>

#include "kernels/kernel_args.hpp"

namespace sterna::avx512 {

// Each builds on those before it.
// clang-format off
#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/ternary_layouts-inl.hpp"
#include "kernels/cpu/avx512/ternary-inl.hpp"
#include "kernels/cpu/avx512/base3-inl.hpp"
// clang-format on

void ternary_i2_s(const TernaryArgs& args) {
  ternary_vnni<TwoBits<LayoutI2S>>(args);
}
void ternary_tq2_0(const TernaryArgs& args) {
  ternary_vnni<TwoBits<LayoutTQ2>>(args);
}
void ternary_tq1_0(const TernaryArgs& args) {
  ternary_vnni<Base3>(args);
}

}  // namespace sterna::avx512
