// Products of matrices in block formats for any processor.
#include "kernels/kernel_args.hpp"

namespace sterna::generic {

// Each builds on those before it.
// clang-format off
#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/generic/simd.hpp"
#include "kernels/cpu/math-inl.hpp"
#include "kernels/cpu/streams-inl.hpp"
#include "kernels/cpu/blocks-inl.hpp"
// clang-format on

}  // namespace sterna::generic
