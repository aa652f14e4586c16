// Attention for any processor.
#include "kernels/kernel_args.hpp"

namespace sterna::generic {

// Each builds on those before it.
// clang-format off
#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/generic/simd.hpp"
#include "kernels/cpu/math-inl.hpp"
#include "kernels/cpu/attention-inl.hpp"
#include "kernels/cpu/kv_append-inl.hpp"
// clang-format on

}  // namespace sterna::generic
