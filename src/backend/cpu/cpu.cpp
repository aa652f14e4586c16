// The two backends of the processor: where their kernels come from, and how fast they read.
#include <algorithm>

#include "backend/cpu/read_bandwidth.hpp"
#include "backend/cpu/rows.hpp"

namespace sterna::cpu {
namespace {

/// The instruction sets that ask the processor for something, or the one that does not.
bool is_simd(const FloatKernels& row) {
  return row.required != 0;
}

void provide(std::string_view isa, Operation operation, ops::Level level, Kernels& kernels) {
  Kernels all;
  all.floats = select_float_kernels(isa);
  for (std::size_t i = 0; i < kTernaryTypes.size(); ++i) {
    all.ternary[i] = select_ternary_kernel(kTernaryTypes[i], isa);
  }
  all.elementwise = all.reduction = level;
  if (operation == Operation::Ternary) {
    for (const DType dtype : kTernaryTypes) copy_slots(operation, dtype, all, kernels);
  } else if (operation == Operation::Dense) {
    for (const DType dtype : kDenseTypes) copy_slots(operation, dtype, all, kernels);
  } else {
    copy_slots(operation, DType::F32, all, kernels);
  }
}

double median_of_three(ThreadPool& pool, ReadWidth width) {
  ReadBandwidth bandwidth;
  std::array<double, 3> rates;
  for (double& rate : rates) rate = bandwidth.measure(pool, width);
  std::ranges::sort(rates);
  return rates[1];
}

}  // namespace

std::string simd_why_not() {
  std::string missing;
  for (const FloatKernels& row : float_kernels()) {
    if (!is_simd(row)) continue;
    if (supported(row.required)) return "";
    missing.clear();  // of the last row, which asks for least
    for (const std::string& feature : feature_names(row.required & ~cpu_info().features)) {
      missing += (missing.empty() ? "" : ", ") + feature;
    }
  }
  return missing.empty() ? "no kernels for this kind of processor" : "the processor has no " + missing;
}

std::vector<std::string_view> simd_variants() {
  std::vector<std::string_view> isas;
  for (const FloatKernels& row : float_kernels()) {
    if (is_simd(row) && supported(row.required)) isas.push_back(row.isa);
  }
  return isas;
}

void simd_provide(std::string_view isa, Operation operation, Kernels& kernels) {
  provide(isa, operation, ops::Level::Simd, kernels);
}

double simd_read_bandwidth(ThreadPool& pool) {
  return median_of_three(pool, ReadWidth::Vector);
}

std::vector<std::string_view> scalar_variants() {
  return {float_kernels().back().isa};
}

void scalar_provide(std::string_view isa, Operation operation, Kernels& kernels) {
  provide(isa, operation, ops::Level::Scalar, kernels);
}

double scalar_read_bandwidth(ThreadPool& pool) {
  return median_of_three(pool, ReadWidth::Word);
}

}  // namespace sterna::cpu
