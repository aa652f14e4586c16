// The rows of activations-inl.hpp, compiled for every instruction set.
#include "tensor/ops/simd/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/simd/activations.cpp"
#include <hwy/foreach_target.h>

#include "tensor/ops/simd/activations-inl.hpp"

#if HWY_ONCE
#include "tensor/ops/groups.hpp"

namespace sterna::ops {
HWY_EXPORT(activation_rows);

std::span<const OpRow> simd_activation_rows() {
  return HWY_DYNAMIC_DISPATCH(activation_rows)();
}
}  // namespace sterna::ops
#endif
