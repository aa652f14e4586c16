// Ternary weights as transformers stores them in safetensors: uint8 [⌈rows/4⌉, cols]. With S = ⌈rows/4⌉, the
// bits 2i of byte (r, c) are the code (trit + 1) of weight (r + i·S, c). The scale lies beside the tensor,
// and what it means depends on the checkpoint's configuration (docs/formats.md).
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "packing/registry.hpp"

namespace sterna {

/// The matrix [rows, cols] with one scale. Where rows is no multiple of four, the last bytes have fields for
/// rows that do not exist; what they hold is ignored. (transformers writes such tensors, with zeros there,
/// but does not read them back.) Throws Format when the bytes are not ⌈rows/4⌉ · cols or a weight's code is 3
/// (`row`, `column`), InvalidArgument for a scale that is not finite.
TernaryMatrix unpack_hf_u8(Bytes bytes, std::uint64_t rows, std::uint64_t cols, float scale);

/// The bytes of trits [rows, cols], ⌈rows/4⌉ · cols of them.
std::vector<std::byte> pack_hf_u8(const TernaryMatrix& matrix);

}  // namespace sterna
