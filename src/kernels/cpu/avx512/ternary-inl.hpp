// Ternary products with AVX-512 VNNI. Codes c = trit + 1 are unsigned bytes, so vpdpbusd multiplies them by
// the signed activations q and adds groups of four products to int32 lanes: Σ trit·q = Σ c·q − Σ q.
//
// How far int32 reaches: a code left where it lies in its byte is at most 3·64, a product at most
// 3·64·128 < 2^15. A lane adds four of them per 256 columns and field, so it holds rows of 2^31 / 2^15 / 4 ·
// 256 = 2^22 columns; the sum itself, at most 2·128·K before Σ q is taken away, rows of 2^23.
//
// Included inside namespace sterna::<isa>, after <immintrin.h> and ternary_layouts-inl.hpp.

namespace {

// What the kernels take at a time: two groups of every row, 64 bytes of weights, one vector.
constexpr std::size_t kBlockCols = 2 * kGroupCols;
constexpr std::size_t kBlockBytes = 2 * kGroupBytes;
constexpr std::size_t kHalfCols = kGroupCols;

inline __m512i load(const void* from) {
  return _mm512_loadu_si512(from);
}

/// Tells the compiler to have the value in a register here: GCC 12 would load it again for every use.
inline void in_register(__m512i& value) {
  asm("" : "+v"(value));
}

/// sum += Σ of four products c · q, in every lane. As an instruction, because GCC 12 wraps the intrinsic in
/// copies of the sum and a store of it, which makes a loop of them half as fast.
inline void add_products(__m512i& sum, __m512i c, __m512i q) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(c), "v"(q));
}

constexpr std::size_t blocks_of(std::size_t cols) {
  return cols / kBlockCols + (cols % kBlockCols != 0);
}

/// The first group of a block, and zeros.
inline __m512i load_half(const void* from) {
  return _mm512_zextsi256_si512(_mm256_loadu_si256(static_cast<const __m256i*>(from)));
}

/// A row's block of codes. A row may end after the first group of its last block.
template <class Layout>
inline __m512i load_block(const std::uint8_t* row, std::size_t block, std::size_t groups) {
  const std::uint8_t* from = row + Layout::offset(2 * block);
  return 2 * block + 1 < groups ? load(from) : load_half(from);
}

/// The codes of a field, 0 … 3 in every byte.
template <class Layout, int kField>
inline __m512i codes(__m512i bytes) {
  // The shift is of 16-bit lanes; what it moves across a byte's edge is masked away.
  return _mm512_and_si512(_mm512_srli_epi16(bytes, Layout::shift(kField)), _mm512_set1_epi8(3));
}

/// The codes of a field times 2^shift: where they lie.
template <class Layout, int kField>
inline __m512i codes_in_place(__m512i bytes) {
  return _mm512_and_si512(bytes, _mm512_set1_epi8(static_cast<char>(3 << Layout::shift(kField))));
}

/// Sums of codes in place, as sums of codes: each is a multiple of 2^shift.
template <class Layout, int kField>
inline __m512i shifted_back(__m512i sums) {
  return _mm512_srai_epi32(sums, Layout::shift(kField));
}

/// The activations that meet a field of a block: 32 of each of its groups.
inline __m512i field_activations(const std::int8_t* x, int field) {
  const auto* first = reinterpret_cast<const __m256i*>(x + field * kFieldCols);
  const auto* second = reinterpret_cast<const __m256i*>(x + kHalfCols + field * kFieldCols);
  __m512i q =
      _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256(first)), _mm256_loadu_si256(second), 1);
  in_register(q);
  return q;
}

/// Four activations, in every lane.
inline __m512i broadcast_step(const std::int8_t* x) {
  std::int32_t four;
  __builtin_memcpy(&four, x, sizeof four);
  __m512i all = _mm512_set1_epi32(four);
  in_register(all);
  return all;
}

/// {Σa, Σb, Σc, Σd}
inline __m128i horizontal_sums(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i sums = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/// out = −Σ q, to which the products are added.
inline void start_sums(const TernaryArgs& a) {
  const std::size_t rows = a.row_end - a.row_begin;
  for (std::size_t m = 0; m < a.tokens; ++m) {
    std::int32_t* out = a.out + m * a.out_stride + a.row_begin;
    const __m512i start = _mm512_set1_epi32(-a.x_sums[m]);
    std::size_t r = 0;
    for (; r + 16 <= rows; r += 16) _mm512_storeu_si512(out + r, start);
    if (r < rows) _mm512_mask_storeu_epi32(out + r, static_cast<__mmask16>((1u << (rows - r)) - 1), start);
  }
}

// ---- few tokens: bound by reading the weights -------------------------------------------------------------

// The rows in hand are a quarter of all rows apart: four streams, each from one row to the next, which the
// hardware's prefetching follows. Four neighbouring rows are short streams that it loses at every end.
constexpr int kStreams = 4;
constexpr std::size_t kFewTokens = 6;  // × 4 rows are 24 sums, of 32 registers

/// Asks for a cache line that will be needed; it may lie beyond the matrix. Always inline, because GCC 12
/// takes a function that only prefetches for one without effects, and drops the call.
[[gnu::always_inline]] inline void prefetch_soon(const std::uint8_t* at) {
  _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0);
}
/// Into the second level: the first is full of what is in use.
[[gnu::always_inline]] inline void prefetch_later(const std::uint8_t* at) {
  _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
}
/// What a stream needs after `at`, asked for twice: memory is far enough away that more lines have to be
/// under way than the first level can wait for, and the second level far enough that it has to be asked too.
[[gnu::always_inline]] inline void prefetch_stream(const std::uint8_t* at) {
  prefetch_later(at + 3072);
  prefetch_soon(at + 1024);
}

/// Blocks [begin, end) of the rows.
struct BlockRange {
  std::size_t begin;
  std::size_t end;
  std::size_t count() const { return end - begin; }
};

// The activations of so many blocks are put in order at a time: half of the first-level cache.
constexpr std::size_t kArrangedBytes = 24 * 1024;
template <int kTokens>
constexpr std::size_t kArrangedBlocks = kArrangedBytes / kBlockCols / kTokens;

/// The activations of a range of blocks in the order in which codes meet them: vector 4 b + f of a token is
/// field_activations of block b and field f. A load instead of two that are joined: one instruction in ten.
template <int kTokens>
inline void arrange(const TernaryArgs& a, BlockRange blocks, std::int8_t* to) {
  for (std::size_t t = 0; t < kTokens; ++t) {
    for (std::size_t b = blocks.begin; b < blocks.end; ++b) {
      for (int f = 0; f < kFields; ++f, to += sizeof(__m512i)) {
        _mm512_store_si512(to, field_activations(a.x + t * a.x_stride + b * kBlockCols, f));
      }
    }
  }
}

/// out += codes · activations for kRows rows from `row` on, `step` apart, and tokens [0, kTokens), whose
/// activations are arranged in `x`; the rows share their loads.
template <class Layout, int kRows, int kTokens>
inline void few_tokens_rows(const TernaryArgs& a, BlockRange blocks, const std::int8_t* x, std::size_t row,
                            std::size_t step) {
  // One token: the codes stay where they lie in their bytes, each field has sums of its own, and the sums are
  // shifted at the end, which is exact. Several tokens: registers are for their sums, and the shifts shared.
  constexpr bool kInPlace = kTokens == 1;
  constexpr int kSums = kInPlace ? kRows * kFields : kRows * kTokens;
  const std::uint8_t* weights = a.weights + row * a.weight_stride;
  const std::size_t step_bytes = step * a.weight_stride;
  const std::size_t token_bytes = blocks.count() * kBlockCols;
  // One loop over all sums, not two nested: GCC 12 keeps the sums in registers only then.
  __m512i sum[kSums];
#pragma GCC unroll 24
  for (int i = 0; i < kSums; ++i) sum[i] = _mm512_setzero_si512();
  const auto add_block = [&](std::size_t b, auto load_bytes) __attribute__((always_inline)) {
    __m512i bytes[kRows];
    for (int r = 0; r < kRows; ++r) {
      const std::uint8_t* from = weights + r * step_bytes + Layout::offset(2 * b);
      prefetch_stream(from);
      bytes[r] = load_bytes(from);
    }
    const auto add_field = [&]<int kField>() __attribute__((always_inline)) {
      __m512i c[kRows];
      for (int r = 0; r < kRows; ++r) {
        c[r] = kInPlace ? codes_in_place<Layout, kField>(bytes[r]) : codes<Layout, kField>(bytes[r]);
      }
      __m512i q;
#pragma GCC unroll 24
      for (int i = 0; i < kRows * kTokens; ++i) {
        if (i % kRows == 0) {
          q = load(x + i / kRows * token_bytes + kField * sizeof q);
          in_register(q);
        }
        add_products(sum[kInPlace ? kField * kRows + i : i], c[i % kRows], q);
      }
    };
    add_field.template operator()<0>();
    add_field.template operator()<1>();
    add_field.template operator()<2>();
    add_field.template operator()<3>();
    x += kBlockCols;
  };
  // A row may end after the first group of its last block.
  const std::size_t whole = least(blocks.end, groups_of(a.cols) / 2);
  for (std::size_t b = blocks.begin; b < whole; ++b) add_block(b, load);
  if (whole < blocks.end) add_block(whole, load_half);
  if constexpr (kInPlace) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const __m512i halves[2] = {
          _mm512_add_epi32(shifted_back<Layout, 0>(sum[r]), shifted_back<Layout, 1>(sum[kRows + r])),
          _mm512_add_epi32(shifted_back<Layout, 2>(sum[2 * kRows + r]),
                           shifted_back<Layout, 3>(sum[3 * kRows + r]))};
      sum[r] = _mm512_add_epi32(halves[0], halves[1]);
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) {
    std::int32_t* out = a.out + t * a.out_stride + row;
    alignas(16) std::int32_t sums[kRows];
    if constexpr (kRows == 4) {
      const __m512i* of = sum + t * kRows;
      _mm_store_si128(reinterpret_cast<__m128i*>(sums), horizontal_sums(of[0], of[1], of[2], of[3]));
    } else {
      static_assert(kRows == 1);
      sums[0] = _mm512_reduce_add_epi32(sum[t]);
    }
    for (int r = 0; r < kRows; ++r) out[r * step] += sums[r];
  }
}

template <class Layout, int kTokens>
inline void few_tokens_in_streams(const TernaryArgs& a) {
  alignas(64) std::int8_t x[kArrangedBytes];
  const std::size_t step = (a.row_end - a.row_begin) / kStreams;
  const std::size_t all = blocks_of(a.cols);
  start_sums(a);
  for (BlockRange blocks{0, 0}; blocks.end < all;) {
    blocks = {blocks.end, least(blocks.end + kArrangedBlocks<kTokens>, all)};
    arrange<kTokens>(a, blocks, x);
    for (std::size_t i = 0; i < step; ++i) {
      few_tokens_rows<Layout, kStreams, kTokens>(a, blocks, x, a.row_begin + i, step);
    }
    for (std::size_t row = a.row_begin + kStreams * step; row < a.row_end; ++row) {
      few_tokens_rows<Layout, 1, kTokens>(a, blocks, x, row, 0);
    }
  }
}

// ---- many tokens: bound by arithmetic ---------------------------------------------------------------------

// A panel is 16 rows of unpacked codes with the rows side by side: 64 bytes are four columns of each row, so
// that a lane of a vector, or a column of an AMX tile, is a row. It is unpacked once and used for all tokens.
constexpr std::size_t kPanelRows = 16;
constexpr std::size_t kStepCols = 4;
constexpr std::size_t kStepBytes = kPanelRows * kStepCols;

/// Dword i of every vector, in vector i.
inline void transpose(__m512i (&v)[16]) {
  __m512i pair[16];
  for (int i = 0; i < 16; i += 2) {
    pair[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
    pair[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
  }
  __m512i quad[16];  // quad[4i + j]: rows 4i … 4i + 3, dwords j, j + 4, j + 8, j + 12
  for (int i = 0; i < 16; i += 4) {
    quad[i] = _mm512_unpacklo_epi64(pair[i], pair[i + 2]);
    quad[i + 1] = _mm512_unpackhi_epi64(pair[i], pair[i + 2]);
    quad[i + 2] = _mm512_unpacklo_epi64(pair[i + 1], pair[i + 3]);
    quad[i + 3] = _mm512_unpackhi_epi64(pair[i + 1], pair[i + 3]);
  }
  for (int j = 0; j < 4; ++j) {
    const __m512i low_even = _mm512_shuffle_i32x4(quad[j], quad[4 + j], 0x88);  // dwords j and j + 8
    const __m512i low_odd = _mm512_shuffle_i32x4(quad[j], quad[4 + j], 0xdd);   // j + 4 and j + 12
    const __m512i high_even = _mm512_shuffle_i32x4(quad[8 + j], quad[12 + j], 0x88);
    const __m512i high_odd = _mm512_shuffle_i32x4(quad[8 + j], quad[12 + j], 0xdd);
    v[j] = _mm512_shuffle_i32x4(low_even, high_even, 0x88);
    v[j + 8] = _mm512_shuffle_i32x4(low_even, high_even, 0xdd);
    v[j + 4] = _mm512_shuffle_i32x4(low_odd, high_odd, 0x88);
    v[j + 12] = _mm512_shuffle_i32x4(low_odd, high_odd, 0xdd);
  }
}

/// Unpacks `count` blocks of columns of rows [row, row + rows) from block `first` on, rows ≤ kPanelRows; the
/// panel's other rows repeat the last. Asks for the same columns of the row `ahead` rows further.
template <class Layout>
inline void unpack_two_bits(const TernaryArgs& a, std::size_t row, std::size_t rows, std::size_t first,
                            std::size_t count, std::size_t ahead, std::uint8_t* panel) {
  const std::size_t groups = groups_of(a.cols);
  for (std::size_t b = first; b < first + count; ++b, panel += kBlockCols / kStepCols * kStepBytes) {
    __m512i bytes[kPanelRows];
    for (std::size_t r = 0; r < kPanelRows; ++r) {
      const std::uint8_t* from = a.weights + (row + least(r, rows - 1)) * a.weight_stride;
      bytes[r] = load_block<Layout>(from, b, groups);
      prefetch_later(from + ahead * a.weight_stride + Layout::offset(2 * b));
    }
    transpose(bytes);
    // Dword j of a group is bytes 4j … 4j + 3: of field f the columns 32 f + 4j … 4j + 3, step 8 f + j.
    for (std::size_t d = 0; d < 16; ++d) {
      std::uint8_t* to = panel + (d / 8 * (kHalfCols / kStepCols) + d % 8) * kStepBytes;
      constexpr std::size_t kFieldBytes = kFieldCols / kStepCols * kStepBytes;
      _mm512_store_si512(to, codes<Layout, 0>(bytes[d]));
      _mm512_store_si512(to + kFieldBytes, codes<Layout, 1>(bytes[d]));
      _mm512_store_si512(to + 2 * kFieldBytes, codes<Layout, 2>(bytes[d]));
      _mm512_store_si512(to + 3 * kFieldBytes, codes<Layout, 3>(bytes[d]));
    }
  }
}

template <class Layout>
struct TwoBits {
  template <int kTokens>
  static void few_tokens(const TernaryArgs& a) {
    few_tokens_in_streams<Layout, kTokens>(a);
  }
  static void unpack_panel(const TernaryArgs& a, std::size_t row, std::size_t rows, std::size_t first,
                           std::size_t count, std::size_t ahead, std::uint8_t* panel) {
    unpack_two_bits<Layout>(a, row, rows, first, count, ahead, panel);
  }
};

// 6 tokens × 4 panels are 24 sums; with the 4 panels' codes and one activation, 29 of 32 registers. A step of
// 24 vpdpbusd, 12 cycles at two per cycle, needs 10 loads, 5 cycles. 64 rows × 512 columns are 32 KiB of
// codes, two thirds of the first-level cache.
constexpr int kVnniPanels = 4;
constexpr int kVnniTokens = 6;
constexpr std::size_t kVnniBlocks = 2;

/// out[t][p · 16 + lane] += Σ over `steps` steps of panel p's codes · x[t]
template <int kPanels, int kTokens>
[[gnu::noinline]] void multiply_panels(const std::uint8_t* panels, std::size_t steps, const std::int8_t* x,
                                       std::size_t x_stride, std::size_t rows, std::int32_t* out,
                                       std::size_t out_stride) {
  constexpr std::size_t kPanelBytes = kVnniBlocks * kBlockCols * kPanelRows;
  // One loop over all sums, not two nested: GCC 12 keeps the sums in registers only then.
  constexpr int kSums = kTokens * kPanels;
  __m512i sum[kSums];
#pragma GCC unroll 24
  for (int i = 0; i < kSums; ++i) sum[i] = _mm512_setzero_si512();
  for (std::size_t s = 0; s < steps; ++s) {
    __m512i c[kPanels];
    for (int p = 0; p < kPanels; ++p) c[p] = load(panels + p * kPanelBytes + s * kStepBytes);
    __m512i q;
#pragma GCC unroll 24
    for (int i = 0; i < kSums; ++i) {
      if (i % kPanels == 0) q = broadcast_step(x + i / kPanels * x_stride + s * kStepCols);
      add_products(sum[i], c[i % kPanels], q);
    }
  }
#pragma GCC unroll 24
  for (int i = 0; i < kSums; ++i) {
    const std::size_t left = rows - i % kPanels * kPanelRows;
    const auto mask = static_cast<__mmask16>(left >= kPanelRows ? 0xffffu : (1u << left) - 1);
    std::int32_t* to = out + i / kPanels * out_stride + i % kPanels * kPanelRows;
    _mm512_mask_storeu_epi32(to, mask, _mm512_add_epi32(_mm512_maskz_loadu_epi32(mask, to), sum[i]));
  }
}

template <int kPanels>
inline void multiply_tokens(const std::uint8_t* panels, std::size_t steps, const std::int8_t* x,
                            std::size_t x_stride, std::size_t tokens, std::size_t rows, std::int32_t* out,
                            std::size_t out_stride) {
  std::size_t m = 0;
  const auto next = [&]<int kTokens>() {
    multiply_panels<kPanels, kTokens>(panels, steps, x + m * x_stride, x_stride, rows, out + m * out_stride,
                                      out_stride);
    m += kTokens;
  };
  while (m + kVnniTokens <= tokens) next.template operator()<kVnniTokens>();
  switch (tokens - m) {
    case 5:
      return next.template operator()<5>();
    case 4:
      return next.template operator()<4>();
    case 3:
      return next.template operator()<3>();
    case 2:
      return next.template operator()<2>();
    case 1:
      return next.template operator()<1>();
    default:
      return;
  }
}

template <class Packing>
inline void many_tokens_vnni(const TernaryArgs& a) {
  constexpr std::size_t kRows = kVnniPanels * kPanelRows;
  constexpr std::size_t kPanelBytes = kVnniBlocks * kBlockCols * kPanelRows;
  alignas(64) std::uint8_t panels[kVnniPanels * kPanelBytes];
  start_sums(a);
  const std::size_t blocks = blocks_of(a.cols);
  for (std::size_t row = a.row_begin; row < a.row_end; row += kRows) {
    const std::size_t rows = least(kRows, a.row_end - row);
    for (std::size_t first = 0; first < blocks; first += kVnniBlocks) {
      const std::size_t count = least(kVnniBlocks, blocks - first);
      for (std::size_t r = 0; r < rows; r += kPanelRows) {
        Packing::unpack_panel(a, row + r, least(kPanelRows, rows - r), first, count, kRows,
                              panels + r / kPanelRows * kPanelBytes);
      }
      const std::size_t steps = count * kBlockCols / kStepCols;
      const std::int8_t* x = a.x + first * kBlockCols;
      const auto multiply = [&]<int kPanels>() {
        multiply_tokens<kPanels>(panels, steps, x, a.x_stride, a.tokens, rows, a.out + row, a.out_stride);
      };
      switch ((rows + kPanelRows - 1) / kPanelRows) {
        case 1:
          multiply.template operator()<1>();
          break;
        case 2:
          multiply.template operator()<2>();
          break;
        case 3:
          multiply.template operator()<3>();
          break;
        default:
          multiply.template operator()<4>();
      }
    }
  }
}

template <class Packing>
inline bool few_tokens_done(const TernaryArgs& a) {
  static_assert(kFewTokens == 6);
  switch (a.tokens) {
    case 1:
      Packing::template few_tokens<1>(a);
      return true;
    case 2:
      Packing::template few_tokens<2>(a);
      return true;
    case 3:
      Packing::template few_tokens<3>(a);
      return true;
    case 4:
      Packing::template few_tokens<4>(a);
      return true;
    case 5:
      Packing::template few_tokens<5>(a);
      return true;
    case 6:
      Packing::template few_tokens<6>(a);
      return true;
    default:
      return false;
  }
}

template <class Packing>
inline void ternary_vnni(const TernaryArgs& a) {
  if (!few_tokens_done<Packing>(a)) many_tokens_vnni<Packing>(a);
}

}  // namespace
