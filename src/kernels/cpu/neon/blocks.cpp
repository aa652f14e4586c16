// Products of matrices in block formats for NEON.
#include <arm_neon.h>

#include "kernels/kernel_args.hpp"

namespace sterna::neon {

// Each builds on those before it.
// clang-format off
#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/neon/simd.hpp"
#include "kernels/cpu/math-inl.hpp"
#include "kernels/cpu/streams-inl.hpp"
#include "kernels/cpu/blocks-inl.hpp"
// clang-format on

}  // namespace sterna::neon
