// The rows of compare-inl.hpp, compiled for every instruction set.
#include "tensor/ops/simd/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/simd/compare.cpp"
#include <hwy/foreach_target.h>

#include "tensor/ops/simd/compare-inl.hpp"

#if HWY_ONCE
#include "tensor/ops/groups.hpp"

namespace sterna::ops {
HWY_EXPORT(compare_rows);

std::span<const OpRow> simd_compare_rows() {
  return HWY_DYNAMIC_DISPATCH(compare_rows)();
}
}  // namespace sterna::ops
#endif
