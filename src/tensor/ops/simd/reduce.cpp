// The rows of reduce-inl.hpp, compiled for every instruction set.
#include "tensor/ops/simd/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/simd/reduce.cpp"
#include <hwy/foreach_target.h>

#include "tensor/ops/simd/reduce-inl.hpp"

#if HWY_ONCE
#include "sterna/error.hpp"

namespace sterna::ops {
HWY_EXPORT(reduce_rows);

std::span<const ReduceRow> reduce_table() {
  return HWY_DYNAMIC_DISPATCH(reduce_rows)();
}

const ReduceRow& reduce_row(std::string_view name) {
  for (const ReduceRow& row : reduce_table()) {
    if (row.name == name) return row;
  }
  throw Error(ErrorCategory::Internal, "no such reduction", {{"operation", std::string(name)}});
}
}  // namespace sterna::ops
#endif
