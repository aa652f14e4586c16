// Moving elements between memory and loops: gathering strided ones and converting types.
#pragma once

#include <cstddef>

#include "sterna/dtype.hpp"

namespace sterna::ops {

/// Converts `n` elements that lie side by side. `in` and `out` may be the same when the sizes are equal.
using Convert = void (*)(const void* in, void* out, std::size_t n);

/// From any plain type to any other, by the rules of Tensor::to.
Convert converter(DType from, DType to);

/// out[i] = min(max(in[i], *low), *high): integers of one type, which `low` and `high` point to. `in` and
/// `out` may be the same.
using Clamp = void (*)(const void* in, void* out, std::size_t n, const void* low, const void* high);
Clamp clamper(DType integer);  ///< I8 … U64

/// Copies `n` elements of `size` bytes (1, 2, 4, 8) between memory with a stride in bytes and contiguous
/// memory.
void gather(const std::byte* in, std::ptrdiff_t stride, std::size_t size, void* out, std::size_t n);
void scatter(const void* in, std::byte* out, std::ptrdiff_t stride, std::size_t size, std::size_t n);
/// `n` copies of one element.
void fill(const void* element, std::size_t size, void* out, std::size_t n);

}  // namespace sterna::ops
