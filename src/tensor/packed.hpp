// The packed dtypes: integers of a few bits, several per byte.
#pragma once

#include <cstdint>

#include "sterna/dtype.hpp"

namespace sterna {

/// The dtype that unpack gives: U8 for U4, I8 for the others.
DType unpacked_dtype(DType packed) noexcept;

/// n values, saturated, into ⌈n / per byte⌉ bytes of `dtype`. Cut off, or rounded to nearest (half to even);
/// Binary1 takes the sign.
void pack(DType dtype, const double* in, std::byte* out, std::int64_t n, bool nearest);
/// And back, into bytes of unpacked_dtype. Gives the place of the first that is no value of its dtype, or n.
std::int64_t unpack(DType dtype, const std::byte* in, std::byte* out, std::int64_t n);

}  // namespace sterna
