// Weights in base 3 (TQ1_0) with AVX-512: five digits of a byte, and what ternary-inl.hpp asks of a packing.
//
// Digits in pairs: 9 · byte is a number of 16 bits whose high byte is 3 d₀ + d₁ and whose low byte is the
// fraction that the other three digits begin. vpmaddubsw by {9, 0} makes it of the even bytes, and by {0, 9}
// of the odd ones; applied to its own results by {9, 0} and then {3, 0} it gives 3 d₂ + d₃ and d₄. One
// vpshufb under a mask puts the even ones' high bytes between the odd ones', and one for each digit of a pair
// looks it up. 320 codes of 64 bytes are 6 vpmaddubsw, 3 + 4 vpshufb and 5 vpdpbusd: 18 instructions, 9
// cycles of two ports.
//
// Included inside namespace sterna::<isa>, after ternary-inl.hpp.

namespace {

/// {even, odd} in every pair of bytes.
inline __m512i pairs(int even, int odd) {
  return _mm512_set1_epi16(static_cast<short>(even | odd << 8));
}

/// The high bytes of both: those of `even` at even places.
inline __m512i high_bytes(__m512i even, __m512i odd) {
  const __m512i swapped =
      _mm512_broadcast_i32x4(_mm_setr_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
  return _mm512_mask_shuffle_epi8(odd, 0x5555555555555555u, even, swapped);
}

/// The code of the first digit of a pair, 3 a + b, and of the second.
inline __m512i first_of(__m512i pair) {
  const __m128i table = _mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0);
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), pair);
}
inline __m512i second_of(__m512i pair) {
  const __m128i table = _mm_setr_epi8(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0);
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), pair);
}

/// Calls use(codes of digit n, n) for the five digits of every byte.
template <class Use>
[[gnu::always_inline]] inline void each_digit(__m512i bytes, Use use) {
  const __m512i nine = pairs(9, 0);
  const __m512i three = pairs(3, 0);
  const __m512i even1 = _mm512_maddubs_epi16(bytes, nine);
  const __m512i odd1 = _mm512_maddubs_epi16(bytes, pairs(0, 9));
  const __m512i even2 = _mm512_maddubs_epi16(even1, nine);
  const __m512i odd2 = _mm512_maddubs_epi16(odd1, nine);
  const __m512i pair1 = high_bytes(even1, odd1);
  use(first_of(pair1), 0);
  use(second_of(pair1), 1);
  const __m512i pair2 = high_bytes(even2, odd2);
  use(first_of(pair2), 2);
  use(second_of(pair2), 3);
  use(high_bytes(_mm512_maddubs_epi16(even2, three), _mm512_maddubs_epi16(odd2, three)), 4);
}

/// The codes of 16 columns in each quarter, of the four bytes of a last run which repeat in it: dword n is
/// digit n.
inline __m512i last_run_codes(__m512i bytes) {
  const __m512i powers = _mm512_broadcast_i32x4(_mm_setr_epi32(0x10001, 0x30003, 0x90009, 0x1b001b));
  const __m512i even = _mm512_maddubs_epi16(bytes, powers);
  const __m512i odd = _mm512_maddubs_epi16(bytes, _mm512_slli_epi16(powers, 8));
  return high_bytes(_mm512_maddubs_epi16(even, pairs(3, 0)), _mm512_maddubs_epi16(odd, pairs(3, 0)));
}

inline __m256i load32(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
inline __m128i load16(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}

/// kTokens tokens and four rows, whose starts are given; `rows` of them are new. The first runs of two rows
/// are one vector, the shorter runs of all four together one, so the activations are loads that repeat
/// themselves.
template <int kTokens>
inline void base3_rows(const TernaryArgs& a, const std::uint8_t* const (&starts)[kStreams],
                       const std::size_t (&rows)[kStreams], int count) {
  // A lane takes 4 · 2 · 128 a step, 11 steps a block: rows of 2^17 blocks fit int32.
  __m512i of01[kTokens], of23[kTokens], of_all[kTokens];
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) of01[t] = of23[t] = of_all[t] = _mm512_setzero_si512();
  const std::size_t blocks = LayoutTQ1::blocks_of(a.cols);
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::int8_t* x = a.x + b * LayoutTQ1::kCols;
    const std::uint8_t* from[kStreams];
    for (int r = 0; r < kStreams; ++r) {
      from[r] = starts[r] + b * LayoutTQ1::kBytes;
      prefetch_stream(from[r]);
    }
    const auto in_run0 = [&](__m512i(&sums)[kTokens]) __attribute__((always_inline)) {
      return [&](__m512i codes, int n) __attribute__((always_inline)) {
#pragma GCC unroll 8
        for (int t = 0; t < kTokens; ++t) {
          add_products(sums[t], codes, _mm512_broadcast_i64x4(load32(x + t * a.x_stride + 32 * n)));
        }
      };
    };
    const auto in_run1 = [&](__m512i codes, int n) __attribute__((always_inline)) {
#pragma GCC unroll 8
      for (int t = 0; t < kTokens; ++t) {
        const std::int8_t* q = x + t * a.x_stride + LayoutTQ1::kRun1Cols + 16 * n;
        add_products(of_all[t], codes, _mm512_broadcast_i32x4(load16(q)));
      }
    };
    each_digit(_mm512_inserti64x4(_mm512_castsi256_si512(load32(from[0])), load32(from[1]), 1),
               in_run0(of01));
    each_digit(_mm512_inserti64x4(_mm512_castsi256_si512(load32(from[2])), load32(from[3]), 1),
               in_run0(of23));
    __m512i run1 = _mm512_castsi128_si512(load16(from[0] + LayoutTQ1::kRun1));
    run1 = _mm512_inserti32x4(run1, load16(from[1] + LayoutTQ1::kRun1), 1);
    run1 = _mm512_inserti32x4(run1, load16(from[2] + LayoutTQ1::kRun1), 2);
    run1 = _mm512_inserti32x4(run1, load16(from[3] + LayoutTQ1::kRun1), 3);
    each_digit(run1, in_run1);
    std::int32_t run2[kStreams];
    for (int r = 0; r < kStreams; ++r) {
      __builtin_memcpy(&run2[r], from[r] + LayoutTQ1::kRun2, sizeof run2[r]);
    }
    __m512i last = _mm512_set1_epi32(run2[0]);
    last = _mm512_mask_set1_epi32(last, 0x00f0, run2[1]);
    last = _mm512_mask_set1_epi32(last, 0x0f00, run2[2]);
    last = _mm512_mask_set1_epi32(last, 0xf000, run2[3]);
    in_run1(last_run_codes(last), 5);
  }
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) {
    // Quarters of `all` and halves of the others are rows.
    const __m512i rows0 =
        _mm512_mask_add_epi32(_mm512_maskz_mov_epi32(0x00ff, of01[t]), 0x000f, of01[t], of_all[t]);
    const __m512i rows1 = _mm512_mask_add_epi32(_mm512_maskz_mov_epi32(0xff00, of01[t]), 0x00f0,
                                                _mm512_maskz_mov_epi32(0xff00, of01[t]), of_all[t]);
    const __m512i rows2 = _mm512_mask_add_epi32(_mm512_maskz_mov_epi32(0x00ff, of23[t]), 0x0f00,
                                                _mm512_maskz_mov_epi32(0x00ff, of23[t]), of_all[t]);
    const __m512i rows3 =
        _mm512_mask_add_epi32(_mm512_maskz_mov_epi32(0xff00, of23[t]), 0xf000, of23[t], of_all[t]);
    alignas(16) std::int32_t sums[kStreams];
    _mm_store_si128(reinterpret_cast<__m128i*>(sums), horizontal_sums(rows0, rows1, rows2, rows3));
    for (int r = 0; r < count; ++r) a.out[t * a.out_stride + rows[r]] = sums[r] - a.x_sums[t];
  }
}

struct Base3 {
  template <int kTokens>
  static void few_tokens(const TernaryArgs& a) {
    const std::size_t step = (a.row_end - a.row_begin) / kStreams;
    const auto multiply = [&](std::size_t row, std::size_t apart, int count) {
      const std::uint8_t* starts[kStreams];
      std::size_t rows[kStreams];
      for (int r = 0; r < kStreams; ++r) {
        rows[r] = row + (r < count ? static_cast<std::size_t>(r) * apart : 0);
        starts[r] = a.weights + rows[r] * a.weight_stride;
      }
      base3_rows<kTokens>(a, starts, rows, count);
    };
    for (std::size_t i = 0; i < step; ++i) multiply(a.row_begin + i, step, kStreams);
    const std::size_t left = a.row_begin + kStreams * step;
    if (left < a.row_end) multiply(left, 1, static_cast<int>(a.row_end - left));
  }

  static void unpack_panel(const TernaryArgs& a, std::size_t row, std::size_t rows, std::size_t first,
                           std::size_t count, std::size_t ahead, std::uint8_t* panel) {
    static_assert(LayoutTQ1::kCols == kBlockCols);
    constexpr __mmask16 kCodes = 0x1fff;  // dwords of a block: 8, 4 and 1 in its runs
    for (std::size_t b = first; b < first + count; ++b, panel += kBlockCols / kStepCols * kStepBytes) {
      __m512i bytes[kPanelRows];
      for (std::size_t r = 0; r < kPanelRows; ++r) {
        const std::uint8_t* from =
            a.weights + (row + least(r, rows - 1)) * a.weight_stride + b * LayoutTQ1::kBytes;
        bytes[r] = _mm512_maskz_loadu_epi32(kCodes, from);
        prefetch_later(from + ahead * a.weight_stride);
      }
      transpose(bytes);
      // Dword d of a run of S dwords holds the columns 4 (n S + d) … 4 (n S + d) + 3 of the run as digit n:
      // step n S
      // + d.
      const auto store_run = [&](int dword, std::size_t run_dwords, std::size_t run_cols, int digits) {
        for (std::size_t d = 0; d < run_dwords; ++d) {
          std::uint8_t* to = panel + (run_cols / kStepCols + d) * kStepBytes;
          each_digit(
              bytes[static_cast<std::size_t>(dword) + d], [&](__m512i codes,
                                                              int n) __attribute__((always_inline)) {
                if (n < digits)
                  _mm512_store_si512(to + static_cast<std::size_t>(n) * run_dwords * kStepBytes, codes);
              });
        }
      };
      store_run(0, 8, 0, 5);
      store_run(8, 4, LayoutTQ1::kRun1Cols, 5);
      store_run(12, 1, LayoutTQ1::kRun2Cols, 4);
    }
  }
};

}  // namespace
