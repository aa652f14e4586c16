// The reference: every loop a byte at a time. This file is compiled with the compiler's vectorisation off.
#include "packing/simd/elements.hpp"
#include "packing/simd/loops.hpp"

namespace sterna::packing {
namespace {

template <class Codes>
void pack(const std::int8_t* values, std::size_t groups, std::size_t stride, std::uint8_t* out) {
  for (; groups > 0; --groups, values += Codes::kCodes * stride, out += stride) {
    for (std::size_t m = 0; m < stride; ++m) out[m] = Codes::pack(values + m, stride);
  }
}

template <class Codes>
void unpack(const std::uint8_t* in, std::size_t groups, std::size_t stride, std::int8_t* values) {
  for (; groups > 0; --groups, in += stride, values += Codes::kCodes * stride) {
    for (std::size_t m = 0; m < stride; ++m) Codes::unpack(in[m], stride, values + m);
  }
}

}  // namespace

const PackingLoops& scalar_loops() noexcept {
  static constexpr PackingLoops kLoops{pack<Trits2High>,  unpack<Trits2High>, pack<Trits2Low>,
                                       unpack<Trits2Low>, pack<Nibbles>,      unpack<Nibbles>,
                                       pack<Base3>,       unpack<Base3>};
  return kLoops;
}

}  // namespace sterna::packing
