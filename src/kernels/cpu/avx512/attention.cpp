// Attention for AVX-512.
#include <immintrin.h>

#include "kernels/kernel_args.hpp"

namespace sterna::avx512 {

// Each builds on those before it.
// clang-format off
#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/avx512/simd.hpp"
#include "kernels/cpu/math-inl.hpp"
#include "kernels/cpu/attention-inl.hpp"
#include "kernels/cpu/kv_append-inl.hpp"
// clang-format on

}  // namespace sterna::avx512
