// Times the loops of the table of operations against the same loops compiled for one element at a time.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/dtype.hpp"

namespace sterna::ops {

/// Nanoseconds per element.
struct Timing {
  double median;
  double low;   ///< first quartile of the repetitions
  double high;  ///< third quartile
};

struct LoopComparison {
  std::string_view operation;
  DType type;            ///< computed in
  std::size_t elements;  ///< of each operand
  Timing scalar;
  Timing simd;
  bool equal;  ///< both gave the same bits (NaN equals NaN)
  double ratio() const { return scalar.median / simd.median; }
};

/// The operations that the promise about SIMD names, in F32: add, multiply, relu, exp, quantize_i8.
std::span<const std::string_view> promised_operations();

/// One thread, warm caches; all operands and the result together take `bytes`. Repetitions of the two loops
/// alternate, each at least `seconds`/(2·kRepetitions) long. Only where `type` has both loops: see
/// comparable().
LoopComparison compare_loops(std::string_view operation, DType type, std::size_t bytes, double seconds);
bool comparable(std::string_view operation, DType type);
/// Every operation that has scalar loops to compare with.
std::vector<std::string_view> comparable_operations();

/// Of the SIMD loops: "AVX2", "NEON" …
std::string simd_target();

}  // namespace sterna::ops
