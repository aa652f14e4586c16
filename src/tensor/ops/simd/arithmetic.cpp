// The rows of arithmetic-inl.hpp, compiled for every instruction set.
#include "tensor/ops/simd/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/simd/arithmetic.cpp"
#include <hwy/foreach_target.h>

#include "tensor/ops/simd/arithmetic-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace sterna::ops::HWY_NAMESPACE {
const char* target_name() {
  return hwy::TargetName(HWY_TARGET);
}
}  // namespace sterna::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "tensor/ops/groups.hpp"
#include "tensor/ops/measure.hpp"

namespace sterna::ops {
HWY_EXPORT(arithmetic_rows);
HWY_EXPORT(target_name);

std::string simd_target() {
  return HWY_DYNAMIC_DISPATCH(target_name)();
}

std::span<const OpRow> simd_arithmetic_rows() {
  return HWY_DYNAMIC_DISPATCH(arithmetic_rows)();
}
}  // namespace sterna::ops
#endif
