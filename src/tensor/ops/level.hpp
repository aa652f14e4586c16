// Which of two compilations of the loops tensor operations run: vectors, or one element at a time.
#pragma once

#include <cstdint>

#include "tensor/ops/reduce_row.hpp"
#include "tensor/ops/row.hpp"

namespace sterna::ops {

/// Both give the same bits; operations that have no vectors, those of libm.cpp, are the same on either.
enum class Level : std::uint8_t { Simd, Scalar };

/// For the process, from the next operation on; Simd until then. From any thread.
void set_elementwise_level(Level level) noexcept;
void set_reduction_level(Level level) noexcept;
Level elementwise_level() noexcept;
Level reduction_level() noexcept;

/// What a row of op_table() or reduce_table() runs at the level that is set.
const Loops& loops_of(const OpRow& row);
const Reducers& reducers_of(const ReduceRow& row);

}  // namespace sterna::ops
