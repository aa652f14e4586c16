// That `bench` refuses to time what is wrong: kernels that compute other integers or floats, probes of the
// processor that do less than they say.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "bench/kernels/kernel_bench.hpp"
#include "bench/kernels/ternary.hpp"
#include "sterna/error.hpp"

namespace sterna::cli {
namespace {

const TernaryKernel& right_kernel() {
  return *select_ternary_kernel(DType::I2_S, "generic");
}

/// The generic kernel, but for one integer: the one of the last row and token.
void one_off(const TernaryArgs& args) {
  right_kernel().run(args);
  args.out[(args.tokens - 1) * args.out_stride + args.row_end - 1] += 1;
}

/// Leaves the last row of its range out.
void one_less(const TernaryArgs& args) {
  TernaryArgs fewer = args;
  fewer.row_end -= 1;
  right_kernel().run(fewer);
}

TernaryKernel planted(void (*run)(const TernaryArgs&)) {
  TernaryKernel kernel = right_kernel();
  kernel.name = "i2_s-planted";
  kernel.run = run;
  return kernel;
}

TEST(KernelCheck, ARightKernelPassesAtAnyNumberOfTokensAndThreads) {
  TernaryProblem problem(DType::I2_S, 200, 384, 5);
  for (const unsigned threads : {1u, 3u}) {
    ThreadPool pool(threads);
    for (const std::size_t tokens : {1, 2, 5}) {
      // Rows 0, 97, 194 and the last.
      EXPECT_EQ(problem.check(right_kernel(), tokens, pool), 4 * tokens);
    }
  }
}

TEST(KernelCheck, AWrongIntegerIsAnErrorThatNamesIt) {
  TernaryProblem problem(DType::I2_S, 200, 384, 5);
  ThreadPool pool(1);
  for (const auto run : {one_off, one_less}) {
    for (const std::size_t tokens : {1, 5}) {
      try {
        problem.check(planted(run), tokens, pool);
        FAIL() << "accepted";
      } catch (const Error& error) {
        EXPECT_EQ(error.category(), ErrorCategory::Internal);
        EXPECT_EQ(error.value("kernel"), "i2_s-planted");
        EXPECT_NE(error.value("at").find("row 199"), std::string_view::npos) << error.what();
        EXPECT_NE(error.value("found"), error.value("expected"));
      }
    }
  }
}

TEST(KernelCheck, FloatsAreComparedByTheirBits) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> expected = {1.0f, 0.0f, 2.5f};
  EXPECT_EQ(check_floats("x", expected, expected), 3u);
  const std::vector<std::vector<float>> wrong = {
      {1.0f, -0.0f, 2.5f}, {1.0f, 0.0f, kNaN}, {1.0f, 0.0f, 2.5000002f}};
  for (const std::vector<float>& found : wrong) {
    EXPECT_THROW(check_floats("x", found, expected), Error);
  }
}

TEST(KernelCheck, AFilterTakesAKernelAnOperationOrAnInstructionSet) {
  KernelBenchOptions options;
  EXPECT_TRUE(options.wants("i2_s", "avx2"));
  for (const char* filter : {"i2_s", "avx2", "i2_s-avx2"}) {
    options.filter = filter;
    EXPECT_TRUE(options.wants("i2_s", "avx2")) << filter;
    EXPECT_FALSE(options.wants("tq2_0", "avx512")) << filter;
  }
  options.filter = "i2";
  EXPECT_FALSE(options.wants("i2_s", "avx2"));
}

TEST(KernelCheck, EveryFamilyHasCasesInPlainC) {
  KernelBenchOptions options;
  for (const KernelFamily& family : kernel_families()) {
    options.filter =
        family.name == "quantisers" ? "scalar" : "generic";  // chosen by Highway, not by our table
    EXPECT_FALSE(family.groups(options).empty()) << family.name;
  }
  options.filter = "vax";
  for (const KernelFamily& family : kernel_families()) EXPECT_TRUE(family.groups(options).empty());
  options.threads = {1};
  EXPECT_THROW(bench_kernels(options, {}), Error);
}

TEST(Machine, AProbeThatDoesLessThanItSaysIsAnError) {
  const unsigned one = 1;
  Machine machine({&one, 1});
  PeakProbe lazy = peak_probes().back();
  lazy.run = [](std::size_t steps, std::int8_t code, std::int8_t activation) {
    return peak_probes().back().run(steps - 1, code, activation);
  };
  const PeakProbe* probes[] = {&lazy};
  MachineRates rates = machine.rates(probes);
  EXPECT_THROW(machine.measure(rates), Error);
}

}  // namespace
}  // namespace sterna::cli
