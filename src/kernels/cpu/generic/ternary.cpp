// Ternary products for any processor: decode a piece of a row once, then plain integer loops.
#include "kernels/kernel_args.hpp"

namespace sterna::generic {

#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/ternary_layouts-inl.hpp"

namespace {

constexpr std::size_t kPieceGroups = 16;  // 2 KiB of decoded trits stay in the first-level cache

template <class Layout>
void decode(const std::uint8_t* group, std::int8_t* trits) {
  for (int f = 0; f < kFields; ++f) {
    for (std::size_t p = 0; p < kGroupBytes; ++p) {
      trits[f * kFieldCols + p] = static_cast<std::int8_t>((group[p] >> Layout::shift(f) & 3) - 1);
    }
  }
}

std::int32_t dot(const std::int8_t* trits, const std::int8_t* x, std::size_t n) {
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < n; ++k) sum += trits[k] * x[k];
  return sum;
}

template <class Layout>
void ternary(const TernaryArgs& a) {
  alignas(64) std::int8_t trits[kPieceGroups * kGroupCols];
  const std::size_t groups = groups_of(a.cols);
  for (std::size_t r = a.row_begin; r < a.row_end; ++r) {
    const std::uint8_t* row = a.weights + r * a.weight_stride;
    for (std::size_t m = 0; m < a.tokens; ++m) a.out[m * a.out_stride + r] = 0;
    for (std::size_t first = 0; first < groups; first += kPieceGroups) {
      const std::size_t count = least(kPieceGroups, groups - first);
      for (std::size_t g = 0; g < count; ++g) {
        decode<Layout>(row + Layout::offset(first + g), trits + g * kGroupCols);
      }
      for (std::size_t m = 0; m < a.tokens; ++m) {
        const std::int8_t* x = a.x + m * a.x_stride + first * kGroupCols;
        a.out[m * a.out_stride + r] += dot(trits, x, count * kGroupCols);
      }
    }
  }
}

}  // namespace

void ternary_i2_s(const TernaryArgs& args) {
  ternary<LayoutI2S>(args);
}
void ternary_tq2_0(const TernaryArgs& args) {
  ternary<LayoutTQ2>(args);
}

}  // namespace sterna::generic
