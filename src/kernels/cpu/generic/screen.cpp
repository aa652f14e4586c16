// The coarse product of a screened head for any processor.
#include "kernels/screen_args.hpp"

namespace sterna::generic {

// clang-format off
#include "kernels/cpu/generic/simd.hpp"
// clang-format on

namespace {

using Codes = std::uint8_t __attribute__((vector_size(sizeof(F))));

inline H add_neighbours(Codes codes, const std::int8_t* x) {
  H sums;
  for (int i = 0; i < 2 * kLanes; ++i) {
    sums[i] = static_cast<std::int16_t>(codes[2 * i] * x[2 * i] + codes[2 * i + 1] * x[2 * i + 1]);
  }
  return sums;
}

}  // namespace

#include "kernels/cpu/screen-inl.hpp"

}  // namespace sterna::generic
