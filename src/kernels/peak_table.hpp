// The most that a processor multiplies and adds, one row for each instruction that kernels are built on: what
// a kernel bound by arithmetic is held against.
//
// A probe does what the innermost loop of such a kernel does, a multiplication and the addition that waits
// for it or both in one, on registers alone: nothing is loaded, unpacked or stored. (Rows of `generic` are
// plain C over arrays in the first-level cache, because the compiler chooses the instructions there.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "platform/cpu.hpp"

namespace sterna {

enum class Operand : std::uint8_t { Int8, Int16, Float, FusedFloat };

struct PeakProbe {
  std::string_view name;  ///< the instructions: "vpdpbusd"
  std::string_view isa;   ///< whose kernels they are
  CpuFeatures required;
  Operand operand;
  std::size_t products;  ///< of a step; each is a multiplication and an addition
  unsigned bits;         ///< of the lanes that sums are kept in: integers wrap around
  /// Kernels of the set use the instruction when they multiply this many tokens or more; 0: none does.
  std::size_t from_tokens;
  /// Does `steps` ≤ kMostPeakSteps steps with these two numbers in every lane and returns the sum of all
  /// lanes.
  std::uint64_t (*run)(std::size_t steps, std::int8_t code, std::int8_t activation);
};

/// Floats stay exact: 2^22 sums of 2 reach 2^23.
inline constexpr std::size_t kMostPeakSteps = std::size_t{1} << 22;

/// All compiled rows; instruction sets in the order of the kernel tables.
std::span<const PeakProbe> peak_probes() noexcept;

/// The row whose instructions the kernels of an instruction set use for such operands and so many tokens: its
/// own, or that of the next set down the table. Null for an unknown set.
const PeakProbe* find_peak(std::string_view isa, Operand operand, std::size_t tokens) noexcept;

/// Whether steps · products · code · activation is what a run returned, modulo the width of its lanes.
bool peak_result_right(const PeakProbe& probe, std::size_t steps, std::int8_t code, std::int8_t activation,
                       std::uint64_t result) noexcept;

}  // namespace sterna
