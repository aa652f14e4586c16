// Choosing: strategies with injected timings, forcing, and falling back from backends made for the tests.
#include "backend/dispatch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "sterna/error.hpp"
#include "sterna/log.hpp"
#include "support/paths.hpp"
#include "support/variable.hpp"

namespace sterna {
namespace {

using testing::Variable;

const Backend& scalar() {
  return find_backend(backend_table(), "scalar");
}

/// What the scalar backend provides, under another name.
void provide_all(std::string_view, Operation operation, Kernels& kernels) {
  scalar().provide("generic", operation, kernels);
}
void provide_no_attention(std::string_view, Operation operation, Kernels& kernels) {
  if (operation == Operation::Attention) throw Error(ErrorCategory::Unsupported, "heads of this size");
  provide_all("", operation, kernels);
}
void provide_no_base3(std::string_view, Operation operation, Kernels& kernels) {
  provide_all("", operation, kernels);
  kernels.ternary[2] = nullptr;
}

/// A device of the highest priority; kernels of its own would be others, which choosing does not look at.
Backend device(std::string (*why_not)(), decltype(Backend::provide) provide) {
  return {.name = "device",
          .priority = 100,
          .summary = "made for a test",
          .device = static_cast<DeviceKind>(200),
          .why_not = why_not,
          .variants = [] { return std::vector<std::string_view>{"d1"}; },
          .provide = provide,
          .read_bandwidth = nullptr};
}
Backend missing_device() {
  return device([] { return std::string("no such device in the machine"); }, provide_all);
}
Backend present_device(decltype(Backend::provide) provide = provide_all) {
  return device([] { return std::string(); }, provide);
}

std::vector<Backend> table_with(const Backend& added) {
  std::vector<Backend> table(backend_table().begin(), backend_table().end());
  table.push_back(added);  // order must not matter
  return table;
}

/// Neither variable of the user's is seen, and messages are kept.
class Dispatching : public ::testing::Test {
 protected:
  Dispatching() {
    set_log_sink([this](LogLevel level, std::string_view text) { log_.emplace_back(level, text); });
  }
  ~Dispatching() override { set_log_sink({}); }

  Dispatch make(const std::vector<Backend>& table, const BackendOptions& options = {}) {
    log_.clear();
    return make_dispatch(table, options, timings_);
  }
  Dispatch make(const BackendOptions& options = {}) {
    return make({backend_table().begin(), backend_table().end()}, options);
  }

  Variable backend_{"STERNA_BACKEND", nullptr};
  Variable kernel_{"STERNA_KERNEL", nullptr};
  std::vector<std::pair<LogLevel, std::string>> log_;

  /// Seconds by candidate and batch; a candidate that is not named takes one.
  std::map<std::pair<std::string, Batch>, Timing> seconds_;
  int measured_ = 0;
  Timings timings_{[this](const Question& question, std::span<const Candidate> candidates) {
                     ++measured_;
                     std::vector<Timing> timings;
                     for (const Candidate& candidate : candidates) {
                       const auto found = seconds_.find({name_of(candidate), question.batch});
                       timings.push_back(found == seconds_.end() ? Timing{1, 1} : found->second);
                     }
                     return timings;
                   },
                   ChoiceCache({}), 1};
};

ErrorCategory category_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.category();
  }
  return ErrorCategory::Internal;
}

std::set<std::string> chosen(const Dispatch& dispatch) {
  std::set<std::string> names;
  for (const BackendChoice& choice : dispatch.choices) names.insert(choice.backend + "/" + choice.variant);
  return names;
}

std::vector<std::string> by_batch(const Dispatch& dispatch, Operation operation, DType dtype) {
  std::vector<std::string> names;
  for (const BackendChoice& choice : dispatch.choices) {
    if (choice.operation == operation && choice.dtype == dtype) names.push_back(choice.backend);
  }
  return names;
}

TEST_F(Dispatching, ByDefaultTheHighestPriorityComputesEverything) {
  const Dispatch dispatch = make();
  const Backend& expected = backend_table()[backend_table().front().why_not().empty() ? 0 : 1];
  EXPECT_EQ(chosen(dispatch),
            std::set{std::string(expected.name) + "/" + std::string(expected.variants().front())});
  EXPECT_EQ(dispatch.choices.front().why, "priority " + std::to_string(expected.priority));
  EXPECT_EQ(measured_, 0);
  EXPECT_EQ(dispatch.of(1).ternary[0], select_ternary_kernel(DType::I2_S));
  FloatKernels floats = select_float_kernels();
  floats.isa = {};
  floats.required = 0;
  for (const std::size_t tokens : {1, 2, 8, 9, 1000}) {
    EXPECT_EQ(dispatch.of(tokens).floats, floats);
    EXPECT_TRUE(dispatch.of(tokens).elementwise && dispatch.of(tokens).reduction);
  }
}

TEST_F(Dispatching, EveryOperationIsChosenForEveryBatch) {
  const Dispatch dispatch = make();
  EXPECT_EQ(by_batch(dispatch, Operation::Ternary, DType::TQ2_0).size(), 3u);
  EXPECT_EQ(by_batch(dispatch, Operation::Dense, DType::Q6_K).size(), 3u);
  EXPECT_EQ(by_batch(dispatch, Operation::Attention, DType::F32).size(), 3u);
  EXPECT_EQ(by_batch(dispatch, Operation::Quantize, DType::F32).size(), 1u);
  EXPECT_EQ(dispatch.choices.size(), 3 * 3 + 6 * 3 + 3 + 3);
}

TEST_F(Dispatching, ABackendThatIsNotAvailableIsPassedOverWithItsReason) {
  const Dispatch dispatch = make(table_with(missing_device()));
  EXPECT_EQ(chosen(dispatch), chosen(make()));
  for (const BackendChoice& choice : make(table_with(missing_device())).choices) {
    EXPECT_TRUE(choice.why.ends_with("; passed over: device (no such device in the machine)")) << choice.why;
  }
  ASSERT_EQ(log_.size(), 1u) << "said once, not for every operation";
  EXPECT_EQ(log_.front().first, LogLevel::Info);
  EXPECT_EQ(log_.front().second, "backend passed over: device (no such device in the machine)");
}

TEST_F(Dispatching, AnOperationThatABackendLacksGoesToTheNextWithTheReason) {
  const Dispatch dispatch = make(table_with(present_device(provide_no_attention)));
  for (const BackendChoice& choice : dispatch.choices) {
    if (choice.operation == Operation::Attention) {
      EXPECT_NE(choice.backend, "device");
      EXPECT_TRUE(choice.why.ends_with("; passed over: device (heads of this size)")) << choice.why;
    } else {
      EXPECT_EQ(choice.backend, "device") << choice.why;
      EXPECT_EQ(choice.why, "priority 100");
    }
  }
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_EQ(log_.front().second, "backend passed over: device (heads of this size)");
}

TEST_F(Dispatching, ASlotThatABackendLeavesEmptyGoesToTheNext) {
  const Dispatch dispatch = make(table_with(present_device(provide_no_base3)));
  EXPECT_EQ(by_batch(dispatch, Operation::Ternary, DType::I2_S), std::vector<std::string>(3, "device"));
  for (const std::string& name : by_batch(dispatch, Operation::Ternary, DType::TQ1_0))
    EXPECT_NE(name, "device");
  EXPECT_NE(ternary_kernel(dispatch.of(1), DType::TQ1_0), nullptr);
}

TEST_F(Dispatching, OtherErrorsOfABackendAreErrors) {
  const auto broken = present_device([](std::string_view, Operation, Kernels&) {
    throw Error(ErrorCategory::Io, "the device fell off the bus");
  });
  EXPECT_EQ(category_of([&] { make(table_with(broken)); }), ErrorCategory::Io);
}

TEST_F(Dispatching, WithoutABackendForAnOperationThereIsNoDispatch) {
  try {
    make(std::vector{missing_device()});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Unsupported);
    EXPECT_EQ(error.value("reason"), "device (no such device in the machine)");
  }
}

TEST_F(Dispatching, AForcedBackendComputesEverything) {
  EXPECT_EQ(chosen(make({.backend = "scalar"})), std::set<std::string>{"scalar/generic"});
  EXPECT_EQ(make({.backend = "scalar"}).choices.front().why, "asked for");
  EXPECT_TRUE(log_.empty());
  EXPECT_EQ(chosen(make(table_with(present_device()), {.backend = "device"})),
            std::set<std::string>{"device/d1"});
}

TEST_F(Dispatching, AForcedBackendThatIsNotAvailableIsAnErrorWithTheReason) {
  try {
    make(table_with(missing_device()), {.backend = "device"});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Unsupported);
    EXPECT_EQ(error.value("reason"), "no such device in the machine");
  }
}

TEST_F(Dispatching, WhatAForcedBackendLacksIsWarnedOf) {
  const Dispatch dispatch = make(table_with(present_device(provide_no_attention)), {.backend = "device"});
  EXPECT_EQ(by_batch(dispatch, Operation::Dense, DType::F32), std::vector<std::string>(3, "device"));
  for (const std::string& name : by_batch(dispatch, Operation::Attention, DType::F32))
    EXPECT_NE(name, "device");
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_EQ(log_.front(),
            std::pair(LogLevel::Warning, std::string("backend passed over: device (heads of this size)")));
}

TEST_F(Dispatching, AnUnknownNameListsBackendsAndStrategies) {
  try {
    make({.backend = "vax"});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::InvalidArgument);
    EXPECT_EQ(error.value("expected"),
              "simd scalar highest-priority best-performance low-latency low-memory");
  }
  EXPECT_EQ(category_of([&] { make({.kernel = "vax"}); }), ErrorCategory::InvalidArgument);
}

TEST_F(Dispatching, AKernelForcesItsInstructionSet) {
  for (const char* name : {"generic", "i2_s-generic"}) {
    const Dispatch dispatch = make({.kernel = name});
    EXPECT_EQ(chosen(dispatch), std::set<std::string>{"scalar/generic"});
    EXPECT_EQ(dispatch.of(1).ternary[1]->name, "tq2_0-generic");
  }
  for (const std::string_view isa : find_backend(backend_table(), "simd").variants()) {
    EXPECT_EQ(chosen(make({.kernel = std::string(isa)})), std::set{"simd/" + std::string(isa)});
  }
  for (const FloatKernels& row : float_kernels()) {
    if (supported(row.required)) continue;
    EXPECT_EQ(category_of([&] { make({.kernel = std::string(row.isa)}); }), ErrorCategory::Unsupported);
  }
  EXPECT_EQ(
      category_of([&] { make(table_with(present_device()), {.backend = "device", .kernel = "generic"}); }),
      ErrorCategory::InvalidArgument);
}

TEST_F(Dispatching, VariablesForceAndOptionsGoBeforeThem) {
  const auto by_default = chosen(make());
  {
    const Variable forced("STERNA_BACKEND", "scalar");
    EXPECT_EQ(chosen(make()), std::set<std::string>{"scalar/generic"});
    EXPECT_EQ(chosen(make({.backend = "highest-priority"})), by_default);
    const Variable unknown("STERNA_BACKEND", "vax");
    EXPECT_EQ(category_of([&] { make(); }), ErrorCategory::InvalidArgument);
    EXPECT_EQ(chosen(make({.kernel = "generic"})), std::set<std::string>{"scalar/generic"});
  }
  const Variable kernel("STERNA_KERNEL", "generic");
  EXPECT_EQ(chosen(make()), std::set<std::string>{"scalar/generic"});
  EXPECT_EQ(chosen(make(table_with(present_device()), {.backend = "device"})),
            std::set<std::string>{"device/d1"});
}

TEST_F(Dispatching, BestPerformanceTakesTheLeastMedianOfEachBatch) {
  seconds_[{"device/d1", Batch::One}] = {5, 5};
  seconds_[{"scalar/generic", Batch::One}] = {0.5, 9};
  seconds_[{"device/d1", Batch::Many}] = {0.1, 0.1};
  seconds_[{"device/d1", Batch::Few}] = {1, 1};
  seconds_[{"scalar/generic", Batch::Few}] = {0.98, 0.98};  // within the noise
  const std::vector table{present_device(), scalar()};
  const Dispatch dispatch = make(table, {.backend = "best-performance"});
  const std::vector<std::string> expected{"scalar", "device", "device"};
  EXPECT_EQ(by_batch(dispatch, Operation::Ternary, DType::I2_S), expected);
  EXPECT_EQ(by_batch(dispatch, Operation::Attention, DType::F32), expected);
  EXPECT_EQ(by_batch(dispatch, Operation::Quantize, DType::F32), std::vector<std::string>{"scalar"});
  EXPECT_EQ(dispatch.choices.front().why, "measured: device/d1 5e+06, scalar/generic 5e+05 us");
}

TEST_F(Dispatching, LowLatencyTakesWhatIsSeldomSlowForOneToken) {
  seconds_[{"device/d1", Batch::One}] = {0.1, 9};
  seconds_[{"scalar/generic", Batch::One}] = {0.5, 1};
  seconds_[{"device/d1", Batch::Many}] = {0.01, 0.01};
  const Dispatch dispatch = make(std::vector{present_device(), scalar()}, {.backend = "low-latency"});
  EXPECT_EQ(chosen(dispatch), std::set<std::string>{"scalar/generic"});
}

TEST_F(Dispatching, LowMemoryTakesWhatNeedsNoCopyOfTheWeights) {
  const Dispatch dispatch = make(table_with(present_device()), {.backend = "low-memory"});
  EXPECT_EQ(chosen(dispatch), chosen(make()));
  EXPECT_TRUE(dispatch.low_memory);
  EXPECT_FALSE(make().low_memory);
  EXPECT_EQ(chosen(make(std::vector{present_device()}, {.backend = "low-memory"})),
            std::set<std::string>{"device/d1"});
  EXPECT_EQ(measured_, 0);
}

TEST_F(Dispatching, TheSameKernelsAreNotTimedTwice) {
  // The first variant has everything from the second: one candidate, and nothing to measure.
  Backend twice = present_device();
  twice.variants = [] { return std::vector<std::string_view>{"d1", "d2"}; };
  const Dispatch dispatch = make(std::vector{twice}, {.backend = "best-performance"});
  EXPECT_EQ(chosen(dispatch), std::set<std::string>{"device/d1"});
  EXPECT_EQ(measured_, 0);
}

TEST_F(Dispatching, TensorOperationsFollow) {
  use_backend({.backend = "scalar"});
  EXPECT_EQ(ops::elementwise_level(), ops::Level::Scalar);
  EXPECT_EQ(ops::reduction_level(), ops::Level::Scalar);
  use_backend();
  const bool simd = backend_table().front().why_not().empty();
  EXPECT_EQ(ops::elementwise_level(), simd ? ops::Level::Simd : ops::Level::Scalar);
  ops::set_elementwise_level(ops::Level::Simd);
  ops::set_reduction_level(ops::Level::Simd);
}

}  // namespace
}  // namespace sterna
