// The coarse product of a screened head. What it computes: kernels/screen_args.hpp.
//
// Included inside namespace sterna::<isa>, after simd.hpp and
//   H add_neighbours(Codes codes, const std::int8_t* x)  lane i is codes[2i] · x[2i] + codes[2i + 1] · x[2i +
//   1],
//                                                        at most 2 · 15 · 127 in magnitude

namespace {

constexpr std::size_t kScreenBytes = sizeof(Codes);  // 64, 32 or 16
constexpr std::size_t kScreenWords = 2 * kLanes;     // int16 lanes
// How far ahead of the codes in hand the next ones are asked for: rows follow each other without a gap.
constexpr std::size_t kScreenAhead = 4096;

/// A row is bound by reading it: what a byte brings is used for both halves of the activations. Each block's
/// multiplier costs nothing: the int16 sums of neighbours are multiplied anyway to become int32. Four sums,
/// because an addition to one waits for the last.
inline std::int64_t screen_row(const std::uint8_t* row, const ScreenArgs& a) {
  const std::size_t half = a.cols / 2;
  const std::uint8_t* multipliers = row + half;
  I high[2] = {zero_lanes(), zero_lanes()};
  I low[2] = {zero_lanes(), zero_lanes()};
  for (std::size_t j = 0; j < half; j += kScreenBytes) {
    __builtin_prefetch(row + j + kScreenAhead);
    Codes pair;
    __builtin_memcpy(&pair, row + j, sizeof pair);
    const Codes codes[2] = {pair & 15, pair >> 4};
    const std::uint8_t* m = multipliers + j / kScreenBlock * 2;
    for (std::size_t odd = 0; odd < 2; ++odd) {
      // A vector of 64 bytes spans two blocks of the same half.
      const H factor = splat_i16(m[odd], m[odd + (kScreenBytes > kScreenBlock ? 2 : 0)]);
      high[odd] += multiply_pairs(add_neighbours(codes[odd], a.high + odd * half + j), factor);
      low[odd] += multiply_pairs(add_neighbours(codes[odd], a.low + odd * half + j), factor);
    }
  }
  // What a code of 7.5, the middle, would have given.
  I high_middle = zero_lanes();
  I low_middle = zero_lanes();
  for (std::size_t b = 0; b < screen_multipliers(a.cols); b += kScreenWords) {
    const H m = widen_i8(multipliers + b);
    high_middle += multiply_pairs(m, load_i16(a.high_sums + b));
    low_middle += multiply_pairs(m, load_i16(a.low_sums + b));
  }
  const auto whole = [](I h, I l) { return std::int64_t{kScreenBase} * sum_lanes(h) + sum_lanes(l); };
  return 2 * whole(high[0] + high[1], low[0] + low[1]) - 15 * whole(high_middle, low_middle);
}

}  // namespace

void screen(const ScreenArgs& args);  // screen_kernels.cpp has the table
void screen(const ScreenArgs& args) {
  for (std::size_t row = args.row_begin; row < args.row_end; ++row) {
    args.out[row - args.row_begin] = screen_row(args.rows + row * args.stride, args);
  }
}
