// The loops of the packings: codes of 2 and 4 bits and digits in base 3, S apart in a group. Written once in
// vectors, for whatever instructions the processor has, and once a byte at a time; both give the same bytes
// for values in range.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sterna::packing {

/// Values to bytes: byte m of a group of `stride` bytes holds the values m, m + stride, m + 2 · stride, … of
/// the group. `groups` of them follow each other. Values outside their range give some bytes.
using PackLoop = void (*)(const std::int8_t* values, std::size_t groups, std::size_t stride,
                          std::uint8_t* out);
/// And back, from any bytes: the 2-bit code 3 gives 2.
using UnpackLoop = void (*)(const std::uint8_t* in, std::size_t groups, std::size_t stride,
                            std::int8_t* values);

struct PackingLoops {
  PackLoop pack2_high;  ///< four trits to a byte, trit + 1 in two bits, the first one highest: I2_S
  UnpackLoop unpack2_high;
  PackLoop pack2_low;  ///< the first one lowest: TQ2_0, IQ2_BN
  UnpackLoop unpack2_low;
  PackLoop pack4_low;  ///< two of [−8, 7], value + 8, the first one lowest: Q4_0
  UnpackLoop unpack4_low;
  PackLoop pack_base3;  ///< five trits as digits in base 3 (base3.hpp), the first one leading: TQ1_0
  UnpackLoop unpack_base3;
};

const PackingLoops& loops();                  ///< in vectors
const PackingLoops& scalar_loops() noexcept;  ///< the reference

}  // namespace sterna::packing
