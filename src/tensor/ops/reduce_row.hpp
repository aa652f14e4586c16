// The rows of the table of reductions: how a row of elements becomes one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "tensor/ops/row.hpp"

namespace sterna::ops {

/// Elements come to `add` in portions that are multiples of this, except for the last: partial sums are kept
/// by the position in the row modulo this, so that the result depends on the row alone, not on how it lies in
/// memory.
inline constexpr std::size_t kReduceLanes = 16;

/// What a reduction remembers between portions of a row.
struct alignas(64) ReduceState {
  std::array<double, kReduceLanes> sum;
  std::array<double, kReduceLanes> lost;  ///< what the additions to `sum` rounded away
  double parameter;                       ///< order of a norm, delta degrees of freedom, the mean found first
  std::uint64_t seen;                     ///< elements so far
  std::uint64_t index;                    ///< of the extreme
  alignas(8) std::byte extreme[8];        ///< of the type computed in
  std::uint64_t integer;
  bool again;  ///< the second walk over the row
};

struct Reducer {
  void (*begin)(ReduceState& state);  ///< `parameter` is set
  void (*add)(ReduceState& state, const void* in, std::size_t n);
  /// The result from the row's `n` elements, as an element of Reduction::finished.
  void (*finish)(const ReduceState& state, std::size_t n, void* out);
  /// Between two walks over the row; null when one is enough.
  void (*again)(ReduceState& state, std::size_t n);
};
using Reducers = std::array<Reducer, kPlainTypes>;

enum class ReduceRule : std::uint8_t {
  Sum,      ///< signed integers and Bool give I64, unsigned U64, floats their own type
  Mean,     ///< integers give F64, floats their own type
  Extreme,  ///< the type itself; there is none of no elements
  Index,    ///< I64; there is none of no elements
  Truth,    ///< computed from ≠ 0, gives Bool
  Count,    ///< computed from ≠ 0, gives I64
};

struct ReduceRow {
  std::string_view name;
  ReduceRule rule;
  Reducers reducers;  ///< by the type computed in; null where the operation has no meaning for it
};

std::span<const ReduceRow> reduce_table();
const ReduceRow& reduce_row(std::string_view name);
/// The rows without vectors: see scalar_op_table.
std::span<const ReduceRow> scalar_reduce_table();

}  // namespace sterna::ops
