// Every probe that this processor can run: that it computes what it is timed for.
#include "kernels/peak_table.hpp"

#include <gtest/gtest.h>

#include <set>

#include "kernels/kernel_table.hpp"

namespace sterna {
namespace {

TEST(PeakTable, EveryProbeMultipliesAndAddsAsOftenAsItSays) {
  for (const PeakProbe& probe : peak_probes()) {
    if (!supported(probe.required)) continue;
    for (const std::size_t steps : {0, 1, 2, 77, 70000}) {
      for (const auto& [code, activation] : {std::pair{1, 1}, {2, 1}, {1, 3}}) {
        const auto c = static_cast<std::int8_t>(code);
        const auto q = static_cast<std::int8_t>(activation);
        EXPECT_TRUE(peak_result_right(probe, steps, c, q, probe.run(steps, c, q)))
            << probe.name << ", " << steps << " steps";
      }
    }
    EXPECT_FALSE(peak_result_right(probe, 78, 2, 1, probe.run(77, 2, 1))) << probe.name;
    EXPECT_FALSE(peak_result_right(probe, 77, 2, 1, probe.run(77, 1, 1))) << probe.name;
  }
}

TEST(PeakTable, NamesAreTheirOwn) {
  std::set<std::string_view> names;
  for (const PeakProbe& probe : peak_probes()) EXPECT_TRUE(names.insert(probe.name).second) << probe.name;
}

TEST(PeakTable, EveryKernelIsHeldAgainstARowThatItsProcessorCanRun) {
  for (const TernaryKernel& kernel : ternary_kernels()) {
    for (const std::size_t tokens : {1, 2, 6, 7, 64}) {
      const PeakProbe* peak = find_peak(kernel.isa, Operand::Int8, tokens);
      ASSERT_NE(peak, nullptr) << kernel.name;
      EXPECT_EQ(peak->required & ~kernel.required, 0u) << kernel.name;
      EXPECT_NE(peak->from_tokens, 0u);
    }
  }
  for (const FloatKernels& kernels : float_kernels()) {
    for (const Operand operand : {Operand::Int16, Operand::Float, Operand::FusedFloat}) {
      const PeakProbe* peak = find_peak(kernels.isa, operand, 1);
      ASSERT_NE(peak, nullptr) << kernels.isa;
      EXPECT_EQ(peak->required & ~kernels.required, 0u) << kernels.isa;
      EXPECT_EQ(peak->operand, operand);
    }
  }
  EXPECT_EQ(find_peak("vax", Operand::Int8, 1), nullptr);
}

}  // namespace
}  // namespace sterna
