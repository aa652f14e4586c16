// The SIMD rows once more, one element at a time: this file is compiled with the compiler's vectorisation
// off.
#define HWY_COMPILE_ONLY_SCALAR
#define STERNA_OPS_NAMESPACE scalar_ops
#include "tensor/ops/simd/targets.hpp"

#include "tensor/ops/groups.hpp"
#include "tensor/ops/simd/activations-inl.hpp"
#include "tensor/ops/simd/arithmetic-inl.hpp"
#include "tensor/ops/simd/compare-inl.hpp"
#include "tensor/ops/simd/reduce-inl.hpp"

namespace sterna::ops {
namespace scalar = scalar_ops::HWY_NAMESPACE;

std::span<const OpRow> scalar_arithmetic_rows() {
  return scalar::arithmetic_rows();
}
std::span<const OpRow> scalar_compare_rows() {
  return scalar::compare_rows();
}
std::span<const OpRow> scalar_activation_rows() {
  return scalar::activation_rows();
}
std::span<const ReduceRow> scalar_reduce_table() {
  return scalar::reduce_rows();
}

}  // namespace sterna::ops
