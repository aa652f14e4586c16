// Ternary products for any processor: decode a piece of a row once, then plain integer loops.
#include "kernels/kernel_args.hpp"

namespace sterna::generic {

#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/ternary_layouts-inl.hpp"

namespace {

constexpr std::size_t kPieceCols = 2048;  // decoded trits, which stay in the first-level cache

/// A block of weights: kCols columns, at offset(block) of a row.
template <class Layout>
struct TwoBits {
  static constexpr std::size_t kCols = kGroupCols;
  static constexpr std::size_t offset(std::size_t block) { return Layout::offset(block); }
  static void decode(const std::uint8_t* group, std::int8_t* trits) {
    for (int f = 0; f < kFields; ++f) {
      for (std::size_t p = 0; p < kGroupBytes; ++p) {
        trits[f * kFieldCols + p] = static_cast<std::int8_t>((group[p] >> Layout::shift(f) & 3) - 1);
      }
    }
  }
};

struct Base3 {
  static constexpr std::size_t kCols = LayoutTQ1::kCols;
  static constexpr std::size_t offset(std::size_t block) { return block * LayoutTQ1::kBytes; }
  static void decode(const std::uint8_t* block, std::int8_t* trits) {
    decode_run(block, 32, 5, trits);
    decode_run(block + LayoutTQ1::kRun1, 16, 5, trits + LayoutTQ1::kRun1Cols);
    decode_run(block + LayoutTQ1::kRun2, 4, 4, trits + LayoutTQ1::kRun2Cols);
  }

 private:
  static void decode_run(const std::uint8_t* run, std::size_t bytes, int digits, std::int8_t* trits) {
    unsigned power = 1;
    for (int i = 0; i < digits; ++i, power *= 3, trits += bytes) {
      for (std::size_t m = 0; m < bytes; ++m) {
        trits[m] = static_cast<std::int8_t>(static_cast<int>((run[m] * power & 0xff) * 3 >> 8) - 1);
      }
    }
  }
};

std::int32_t dot(const std::int8_t* trits, const std::int8_t* x, std::size_t n) {
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < n; ++k) sum += trits[k] * x[k];
  return sum;
}

template <class Block>
void ternary(const TernaryArgs& a) {
  alignas(64) std::int8_t trits[kPieceCols];
  const std::size_t blocks = a.cols / Block::kCols + (a.cols % Block::kCols != 0);
  for (std::size_t r = a.row_begin; r < a.row_end; ++r) {
    const std::uint8_t* row = a.weights + r * a.weight_stride;
    for (std::size_t m = 0; m < a.tokens; ++m) a.out[m * a.out_stride + r] = 0;
    for (std::size_t first = 0; first < blocks; first += kPieceCols / Block::kCols) {
      const std::size_t count = least(kPieceCols / Block::kCols, blocks - first);
      for (std::size_t i = 0; i < count; ++i) {
        Block::decode(row + Block::offset(first + i), trits + i * Block::kCols);
      }
      for (std::size_t m = 0; m < a.tokens; ++m) {
        const std::int8_t* x = a.x + m * a.x_stride + first * Block::kCols;
        a.out[m * a.out_stride + r] += dot(trits, x, count * Block::kCols);
      }
    }
  }
}

}  // namespace

void ternary_i2_s(const TernaryArgs& args) {
  ternary<TwoBits<LayoutI2S>>(args);
}
void ternary_tq2_0(const TernaryArgs& args) {
  ternary<TwoBits<LayoutTQ2>>(args);
}
void ternary_tq1_0(const TernaryArgs& args) {
  ternary<Base3>(args);
}

}  // namespace sterna::generic
