#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "backend/backend.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr Operation kOperations[] = {Operation::Ternary,     Operation::Dense,     Operation::Attention,
                                     Operation::Elementwise, Operation::Reduction, Operation::Quantize};

std::vector<DType> dtypes_of(Operation operation) {
  if (operation == Operation::Ternary) return {kTernaryTypes.begin(), kTernaryTypes.end()};
  if (operation == Operation::Dense) return {kDenseTypes.begin(), kDenseTypes.end()};
  return {DType::F32};
}

TEST(BackendTable, RowsAreByPriorityWithNamesOfTheirOwn) {
  std::set<std::string_view> names;
  int last = 1000;
  for (const Backend& row : backend_table()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_LT(row.priority, last) << row.name;
    EXPECT_EQ(&find_backend(backend_table(), row.name), &row);
    last = row.priority;
  }
  EXPECT_TRUE(names.contains("simd") && names.contains("scalar"));
}

TEST(BackendTable, EveryVariantOfTheProcessorComputesEverything) {
  for (const Backend& row : backend_table()) {
    if (!row.why_not().empty()) continue;
    ASSERT_FALSE(row.variants().empty()) << row.name;
    for (const std::string_view variant : row.variants()) {
      Kernels all;
      for (const Operation operation : kOperations) {
        Kernels provided;
        row.provide(variant, operation, provided);
        for (const DType dtype : dtypes_of(operation)) {
          EXPECT_TRUE(copy_slots(operation, dtype, provided, all))
              << row.name << "/" << variant << " " << to_string(operation) << " " << name(dtype);
        }
      }
      // No slot of the float kernels is outside every operation.
      FloatKernels filled = select_float_kernels(variant);
      filled.isa = {};
      filled.required = 0;
      EXPECT_EQ(all.floats, filled) << row.name << "/" << variant;
    }
  }
}

TEST(BackendTable, AnOperationFillsItsOwnSlotsAlone) {
  const Backend& scalar = find_backend(backend_table(), "scalar");
  for (const Operation operation : kOperations) {
    Kernels provided;
    scalar.provide("generic", operation, provided);
    for (const Operation other : kOperations) {
      Kernels to;
      EXPECT_EQ(copy_slots(other, dtypes_of(other).front(), provided, to), other == operation)
          << to_string(operation) << ", " << to_string(other);
    }
  }
}

TEST(BackendTable, ScalarIsTheGenericRowAndAlwaysThere) {
  const Backend& scalar = find_backend(backend_table(), "scalar");
  EXPECT_EQ(scalar.why_not(), "");
  EXPECT_NO_THROW(require_available(scalar));
  Kernels kernels;
  scalar.provide(scalar.variants().front(), Operation::Ternary, kernels);
  EXPECT_EQ(ternary_kernel(kernels, DType::TQ1_0)->isa, "generic");
  EXPECT_EQ(ternary_kernel(kernels, DType::F32), nullptr);
  scalar.provide(scalar.variants().front(), Operation::Elementwise, kernels);
  EXPECT_EQ(kernels.elementwise, ops::Level::Scalar);
}

TEST(BackendTable, SimdSaysWhyNotOrHasTheSupportedSets) {
  const Backend& simd = find_backend(backend_table(), "simd");
  std::vector<std::string_view> expected;
  for (const FloatKernels& row : float_kernels()) {
    if (row.required != 0 && supported(row.required)) expected.push_back(row.isa);
  }
  EXPECT_EQ(simd.variants(), expected);
  EXPECT_EQ(simd.why_not().empty(), !expected.empty()) << simd.why_not();
}

TEST(BackendTable, AnUnknownNameIsAnErrorThatListsTheKnown) {
  try {
    find_backend(backend_table(), "vax");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::InvalidArgument);
    EXPECT_EQ(error.value("found"), "vax");
    EXPECT_EQ(error.value("expected"), "simd scalar");
  }
}

}  // namespace
}  // namespace sterna
