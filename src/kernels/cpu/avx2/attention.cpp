// Attention for AVX2.
#include <immintrin.h>

#include "kernels/kernel_args.hpp"

namespace sterna::avx2 {

// Each builds on those before it.
// clang-format off
#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/avx2/simd.hpp"
#include "kernels/cpu/math-inl.hpp"
#include "kernels/cpu/attention-inl.hpp"
#include "kernels/cpu/kv_append-inl.hpp"
// clang-format on

}  // namespace sterna::avx2
