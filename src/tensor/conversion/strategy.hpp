// What can be done with a tensor, and the strategies themselves.
#pragma once

#include <functional>
#include <string_view>

#include "sterna/conversion.hpp"
#include "tensor/conversion/row_conversion.hpp"

namespace sterna {

/// Why ZeroCopy or InPlace cannot turn `x`, given up, into `dtype`; empty when they can. `handles` is how
/// many there are on its storage.
std::string_view zero_copy_obstacle(const Tensor& x, DType dtype);
std::string_view in_place_obstacle(const Tensor& x, DType dtype, long handles);

/// The elements of `x` as `dtype`, which have the same bits, in its storage.
Tensor reinterpreted(const Tensor& x, DType dtype);
/// Overwrites the elements of `x` with converted ones.
Tensor converted_in_place(const Tensor& x, DType dtype, const RowConversion& conversion);
/// visit(elements, first, n): the elements of `x` in row-major order, side by side, in portions of about
/// `chunk_bytes` that are multiples of kPackedGrain but the last. Pages of a mapped source are given back.
void for_each_chunk(
    const Tensor& x, std::size_t chunk_bytes,
    const std::function<void(const std::byte* elements, std::int64_t first, std::int64_t n)>& visit);

}  // namespace sterna
