// Element-wise operations: vectors against the same loops compiled for one element at a time.
#include <fmt/format.h>

#include <algorithm>

#include "platform/cpu.hpp"
#include "tensor/ops/measure.hpp"
#include "validate/measures.hpp"

namespace sterna::cli {
namespace {

// Working sets that fit the caches of every processor of the last ten years with room to spare.
constexpr std::size_t kFirstLevel = std::size_t{24} << 10;
constexpr std::size_t kSecondLevel = std::size_t{192} << 10;

Figure figure(const ops::Timing& timing) {
  return {timing.median, timing.low, timing.high};
}

PromiseCase compare(std::string_view operation, DType type, std::size_t bytes, double seconds, bool counts) {
  const ops::LoopComparison c = ops::compare_loops(operation, type, bytes, seconds);
  return {.name = fmt::format("{} {}, {} KiB", operation, name(type), bytes >> 10),
          .unit = "ns",
          .baseline_name = "one element at a time",
          .baseline = figure(c.scalar),
          .ours = figure(c.simd),
          .value = c.ratio(),
          .counts = counts,
          .remark = c.equal ? "equal results" : "DIFFERENT RESULTS"};
}

}  // namespace

PromiseResult measure_element_wise(const ValidateOptions& options, const Progress& progress) {
  const double seconds = options.quick ? 0.03 : 0.1;  // for both loops of a case, 15 repetitions each
  std::vector<PromiseCase> cases;
  const auto promised = ops::promised_operations();
  const auto others = options.quick ? std::vector<std::string_view>{} : ops::comparable_operations();
  const std::size_t steps = promised.size() + others.size();
  std::size_t step = 0;
  for (const std::string_view operation : promised) {
    progress(step++, steps, operation);
    for (const std::size_t bytes : {kFirstLevel, kSecondLevel}) {
      cases.push_back(compare(operation, DType::F32, bytes, seconds, true));
    }
  }
  for (const std::string_view operation : others) {
    progress(step++, steps, operation);
    for (const DType type : {DType::F32, DType::F64, DType::I8, DType::I32}) {
      const bool shown = type == DType::F32 && std::ranges::find(promised, operation) != promised.end();
      if (shown || !ops::comparable(operation, type)) continue;
      cases.push_back(compare(operation, type, kFirstLevel, seconds / 2, false));
    }
  }
  progress(steps, steps, "element-wise");
  PromiseResult result = judged_by_median(promise_of("elementwise"), std::move(cases));
  for (const PromiseCase& each : result.cases) {
    if (each.remark == "equal results") continue;
    result.verdict = Verdict::Broken;
    result.reason = "the loops give different results: " + each.name;
  }
  return result;
}

}  // namespace sterna::cli
