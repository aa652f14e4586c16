#include "kernels/kernel_table.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "sterna/error.hpp"

namespace sterna {
namespace {

ErrorCategory category_of(void (*action)()) {
  try {
    action();
  } catch (const Error& error) {
    return error.category();
  }
  return ErrorCategory::Internal;
}

TEST(KernelTable, RowsHaveNamesOfTheirOwnAndFunctions) {
  std::set<std::string_view> names;
  for (const TernaryKernel& row : ternary_kernels()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(row.name, std::string(name(row.packing)) + "-" + std::string(row.isa));
    EXPECT_NE(row.run, nullptr);
  }
  for (const FloatKernels& row : float_kernels()) EXPECT_TRUE(names.insert(row.isa).second) << row.isa;
}

TEST(KernelTable, TheFirstSupportedRowWins) {
  for (const DType packing : {DType::I2_S, DType::TQ2_0, DType::TQ1_0}) {
    const TernaryKernel* expected = nullptr;
    for (const TernaryKernel& row : ternary_kernels()) {
      if (expected == nullptr && row.packing == packing && supported(row.required)) expected = &row;
    }
    EXPECT_EQ(select_ternary_kernel(packing), expected);
  }
  EXPECT_EQ(select_ternary_kernel(DType::IQ1_BN), nullptr);
}

TEST(KernelTable, ANameForces) {
  EXPECT_EQ(select_ternary_kernel(DType::I2_S, "generic")->name, "i2_s-generic");
  EXPECT_EQ(select_ternary_kernel(DType::TQ2_0, "generic")->name, "tq2_0-generic");
  EXPECT_EQ(select_ternary_kernel(DType::I2_S, "i2_s-generic")->name, "i2_s-generic");
  EXPECT_EQ(select_ternary_kernel(DType::TQ2_0, "i2_s-generic")->name, "tq2_0-generic");
  EXPECT_EQ(select_float_kernels("generic").isa, "generic");
  EXPECT_EQ(select_float_kernels("tq2_0-generic").isa, "generic");
  for (const TernaryKernel& row : ternary_kernels()) {
    if (supported(row.required)) {
      EXPECT_EQ(select_ternary_kernel(row.packing, row.name)->name, row.name);
    }
  }
}

TEST(KernelTable, AnUnknownNameIsAnErrorThatListsTheKnown) {
  try {
    select_ternary_kernel(DType::I2_S, "i2_s-vax");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::InvalidArgument);
    EXPECT_EQ(error.value("found"), "i2_s-vax");
    EXPECT_NE(error.value("expected").find("i2_s-generic"), std::string::npos);
  }
  EXPECT_EQ(category_of([] { select_float_kernels("vax"); }), ErrorCategory::InvalidArgument);
}

TEST(KernelTable, AKernelThatTheProcessorCannotRunIsUnsupported) {
  for (const TernaryKernel& row : ternary_kernels()) {
    if (supported(row.required)) continue;
    try {
      select_ternary_kernel(row.packing, row.name);
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::Unsupported);
      EXPECT_FALSE(error.value("missing").empty());
    }
  }
}

TEST(KernelTable, NoSlotIsNullAfterSelection) {
  for (const FloatKernels& row : float_kernels()) {
    if (!supported(row.required)) continue;
    const FloatKernels kernels = select_float_kernels(row.isa);
    for (const DType dtype : {DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q6_K, DType::Q4_0}) {
      EXPECT_NE(dense_kernel(kernels, dtype), nullptr) << name(dtype);
    }
    EXPECT_TRUE(kernels.rms_norm && kernels.quantize && kernels.silu_mul && kernels.relu2_mul &&
                kernels.gelu_mul && kernels.add && kernels.rope && kernels.scale_rows &&
                kernels.attention_f32 && kernels.attention_f16 && kernels.attention_i8 &&
                kernels.attention_finish && kernels.kv_append_f32 && kernels.kv_append_f16 &&
                kernels.kv_append_i8);
    EXPECT_EQ(dense_kernel(kernels, DType::Q2_0), nullptr);
  }
}

TEST(KernelTable, ANullSlotInheritsAndAFilledOneStays) {
  const FloatKernels next = float_kernels().back();
  FloatKernels kernels{};
  kernels.isa = "test";
  kernels.add = [](const AddArgs&) {};
  const auto own = kernels.add;
  inherit_null_slots(kernels, next);
  EXPECT_EQ(kernels.isa, "test");
  EXPECT_EQ(kernels.add, own);
  EXPECT_EQ(kernels.rms_norm, next.rms_norm);
  EXPECT_EQ(kernels.dense_q4_0, next.dense_q4_0);
}

}  // namespace
}  // namespace sterna
