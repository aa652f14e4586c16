// Attention for NEON.
#include <arm_neon.h>

#include "kernels/kernel_args.hpp"

namespace sterna::neon {

// Each builds on those before it.
// clang-format off
#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/neon/simd.hpp"
#include "kernels/cpu/math-inl.hpp"
#include "kernels/cpu/attention-inl.hpp"
#include "kernels/cpu/kv_append-inl.hpp"
// clang-format on

}  // namespace sterna::neon
