// Products of matrices in block formats (q8_0, q6_k, q4_0) with activations in 16 bits: integers inside a
// block, float32 from block to block. Block layouts: docs/packings.md.
//
// Included inside namespace sterna::<isa>, after declarations-inl.hpp, simd.hpp and math-inl.hpp.

namespace {

// The canonical order has 16 partial sums, as many as the widest vectors have int32 lanes, and a tree after
// the last block. What a block adds to a partial is an exact integer, rounded to float32 once, times the
// block's scale. Multiplying int16 pairs gives 16 sums of 32 elements, sum i of the products 2i and 2i + 1:
// - of a block of 256 elements partial i takes the sums i;
// - of a block of 32 the sums i and i + 8 go together, to partial i of the first 8 where the block is an even
//   one of its row, of the last 8 where it is odd. That halves the floats, which cost more than the products.
constexpr int kPairs = 16;
constexpr std::size_t kPart = 2 * kPairs;    // elements
constexpr int kSums = kPairs / kLanes;       // vectors of partial sums
constexpr std::size_t kWords = 2 * kLanes;   // int16 lanes of a vector
constexpr std::size_t kPieceElements = 256;  // a whole number of blocks of every format

// A format is a block of kElements in kBytes with an f16 scale at kScale: value = code · scale. Its Block is
// made at an address and gives its codes a vector at a time; that of a block of 32 also as int8.

struct Q8_0 {  // f16 scale, 32 int8 codes
  static constexpr std::size_t kElements = 32;
  static constexpr std::size_t kBytes = 34;
  static constexpr std::size_t kScale = 0;
  class Block {
   public:
    explicit Block(const std::byte* at) : codes_(at + 2) {}
    const std::byte* bytes() const { return codes_; }
    H codes(std::size_t, int j) const { return widen_i8(codes_ + j * kWords); }

   private:
    const std::byte* codes_;
  };
};

struct Q4_0 {  // f16 scale, 16 bytes: low nibbles are elements 0 … 15, high ones 16 … 31; code = nibble − 8
  static constexpr std::size_t kElements = 32;
  static constexpr std::size_t kBytes = 18;
  static constexpr std::size_t kScale = 0;
  class Block {
   public:
    explicit Block(const std::byte* at) {
      using Codes = std::uint8_t __attribute__((vector_size(16)));
      Codes nibbles;
      __builtin_memcpy(&nibbles, at + 2, sizeof nibbles);
      const Codes low = (nibbles & 15) - 8;
      const Codes high = (nibbles >> 4) - 8;
      // One store: a load of all 32 that met two would wait until both are in the cache.
      const auto both =
          __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
                                  19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
      __builtin_memcpy(codes_, &both, sizeof both);
    }
    const std::byte* bytes() const { return codes_; }
    H codes(std::size_t, int j) const { return widen_i8(codes_ + j * kWords); }

   private:
    alignas(64) std::byte codes_[kElements];
  };
};

// ql[128], qh[64], int8 scales[16], f16 d. Half h of the block (128 elements) has ql[64h …] and qh[32h …];
// its part q (32 elements) has low bits in nibble q / 2 of ql[32 (q % 2) + i], high bits at 2q of qh[i], and
// a scale for each 16 elements. value = (six bits − 32) · scale · d, so code = (six bits − 32) · scale:
// |code| ≤ 32 · 128, and 8 pairs of them with |x| ≤ 32767 stay below 2^31.
struct Q6_K {
  static constexpr std::size_t kElements = 256;
  static constexpr std::size_t kBytes = 210;
  static constexpr std::size_t kScale = 208;
  class Block {
   public:
    explicit Block(const std::byte* at) : scales_(at + 192) {
      for (std::size_t half = 0; half < 2; ++half) join(at + half * 64, at + 128 + half * 32, half * 128);
    }
    H codes(std::size_t part, int j) const {
      const std::size_t group = 2 * part + static_cast<std::size_t>(j) * kWords / 16;
      // A vector of 32 lanes spans two groups.
      const H scale = splat_i16(scale_of_group(group), scale_of_group(group + (kWords > 16)));
      return widen_i8(codes_ + part * kPart + j * kWords) * scale;
    }

   private:
    using Words = std::uint16_t __attribute__((vector_size(32)));  // shifted as words, masked as bytes
    using Codes = std::uint8_t __attribute__((vector_size(32)));

    std::int16_t scale_of_group(std::size_t group) const { return static_cast<std::int8_t>(scales_[group]); }

    /// The 128 codes of a half, joined while 32 of them still fit a vector.
    [[gnu::always_inline]] void join(const std::byte* low, const std::byte* high, std::size_t to) {
      Words l0, l1, h;
      __builtin_memcpy(&l0, low, sizeof l0);
      __builtin_memcpy(&l1, low + 32, sizeof l1);
      __builtin_memcpy(&h, high, sizeof h);
      const Words joined[4] = {(l0 & 0x0f0f) | (h << 4 & 0x3030), (l1 & 0x0f0f) | (h << 2 & 0x3030),
                               (l0 >> 4 & 0x0f0f) | (h & 0x3030), (l1 >> 4 & 0x0f0f) | (h >> 2 & 0x3030)};
      for (std::size_t q = 0; q < 4; ++q) {
        const Codes codes = reinterpret_cast<Codes>(joined[q]) - 32;
        __builtin_memcpy(codes_ + to + q * kPart, &codes, sizeof codes);
      }
    }

    const std::byte* scales_;
    alignas(64) std::int8_t codes_[kElements];
  };
};

/// Whether blocks go to the partial sums two by two.
template <class Format>
constexpr bool kFolds = Format::kElements == kPart;
template <class Format>
constexpr std::size_t kStep = kFolds<Format> ? 2 : 1;  // blocks

/// Σ of a block's codes · x, lane by lane.
template <class Format>
[[gnu::always_inline]] inline void multiply_block(const std::byte* at, const std::int16_t* x,
                                                  I (&products)[kSums]) {
  const typename Format::Block block(at);
  for (I& lanes : products) lanes = zero_lanes();
  for (std::size_t part = 0; part < Format::kElements / kPart; ++part) {
    for (int j = 0; j < kSums; ++j) {
      products[j] = add_pairs(products[j], block.codes(part, j), load_i16(x + part * kPart + j * kWords));
    }
  }
}

/// A block of 32 elements, whose sums i and i + 8 go together: to the partial sums of even blocks or of odd
/// ones.
template <class Format, int kParity>
[[gnu::always_inline]] inline void add_half(const std::byte* at, const std::int16_t* x, F (&sum)[kSums]) {
  constexpr int kHalf = kSums / 2;
  I products[kSums];
  multiply_block<Format>(at, x, products);
  const F scale = splat_f16(at + Format::kScale);
  for (int j = 0; j < kHalf; ++j) {
    sum[kParity * kHalf + j] += to_float(products[j] + products[j + kHalf]) * scale;
  }
}

/// Adds kStep blocks, of which only the first exists where `last_alone`, to the partial sums of kTokens
/// tokens, which share the codes.
template <class Format, int kTokens>
[[gnu::always_inline]] inline void add_blocks(const std::byte* at, const std::int16_t* x,
                                              std::size_t x_stride, bool last_alone,
                                              F (&sum)[kTokens][kSums]) {
  if constexpr (!kFolds<Format>) {
    const typename Format::Block block(at);
    I products[kTokens][kSums];
    for (auto& of_token : products) {
      for (I& lanes : of_token) lanes = zero_lanes();
    }
    for (std::size_t part = 0; part < Format::kElements / kPart; ++part) {
      for (int j = 0; j < kSums; ++j) {
        const H codes = block.codes(part, j);
        const std::int16_t* q = x + part * kPart + j * kWords;
        for (int t = 0; t < kTokens; ++t) {
          products[t][j] = add_pairs(products[t][j], codes, load_i16(q + t * x_stride));
        }
      }
    }
    const F scale = splat_f16(at + Format::kScale);
    for (int t = 0; t < kTokens; ++t) {
      for (int j = 0; j < kSums; ++j) sum[t][j] += to_float(products[t][j]) * scale;
    }
  } else if constexpr (kSums > 1) {
    for (int t = 0; t < kTokens; ++t) {
      add_half<Format, 0>(at, x + t * x_stride, sum[t]);
      if (!last_alone) add_half<Format, 1>(at + Format::kBytes, x + t * x_stride + kPart, sum[t]);
    }
  } else {
    // All partial sums are one vector: halves of it are the even block's and the odd one's, and so are halves
    // of the codes. Where there is no odd one, the even one takes its place with a scale of 0.
    const std::byte* odd_at = last_alone ? at : at + Format::kBytes;
    const std::size_t odd = last_alone ? 0 : kPart;
    const typename Format::Block even_block(at), odd_block(odd_at);
    constexpr std::size_t kHalf = kPart / 2;
    const H first = widen_i8(even_block.bytes(), odd_block.bytes());
    const H second = widen_i8(even_block.bytes() + kHalf, odd_block.bytes() + kHalf);
    const F both = splat_f16(at + Format::kScale, odd_at + Format::kScale);
    const F scale = last_alone ? blend_halves(both, splat(0.0f)) : both;
    for (int t = 0; t < kTokens; ++t) {
      const std::int16_t* q = x + t * x_stride;
      const I products = add_pairs(multiply_pairs(first, load_i16(q, q + odd)), second,
                                   load_i16(q + kHalf, q + odd + kHalf));
      sum[t][0] += to_float(products) * scale;
    }
  }
}

/// kTokens tokens and kRows rows, `step` bytes apart.
template <class Format, int kRows, int kTokens>
inline void dot_rows(const std::byte* at, std::size_t step, const std::int16_t* x, std::size_t x_stride,
                     std::size_t n, float (&out)[kRows][kTokens]) {
  constexpr std::size_t kElements = kStep<Format> * Format::kElements;
  constexpr std::size_t kBytes = kStep<Format> * Format::kBytes;
  F sum[kRows][kTokens][kSums];
  for (auto& row : sum) {
    for (auto& token : row) {
      for (F& v : token) v = splat(0.0f);
    }
  }
  std::size_t k = 0;
  for (; k + kElements <= n; k += kElements, at += kBytes) {
    for (int r = 0; r < kRows; ++r) {
      read_ahead(at + r * step, kBytes);
      add_blocks<Format>(at + r * step, x + k, x_stride, false, sum[r]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    if (k < n) add_blocks<Format>(at + r * step, x + k, x_stride, true, sum[r]);
    for (int t = 0; t < kTokens; ++t) out[r][t] = sum_lanes(tree(sum[r][t]));
  }
}

/// Kernel of kTokens tokens, which reads the rows in kStreams streams.
template <class Format, int kStreams, int kTokens>
inline void few_tokens(const DenseArgs& a) {
  rows_in_streams<kStreams>(a.row_begin, a.row_end, [&]<int kRows>(std::size_t row, std::size_t step) {
    float sums[kRows][kTokens];
    dot_rows<Format>(a.weights + row * a.weight_stride, step * a.weight_stride, a.codes, a.codes_stride,
                     a.cols, sums);
    for (int t = 0; t < kTokens; ++t) {
      float* out = a.out + t * a.out_stride + row;
      for (int r = 0; r < kRows; ++r) out[r * step] = sums[r][t] * a.code_scales[t];
    }
  });
}

// Several tokens: the codes of a tile of rows are decoded piece by piece, and each piece used for all tokens
// of a block while it is in the first-level cache; between pieces the partial sums wait in memory.
constexpr std::size_t kTileRows = 8;
constexpr std::size_t kBlockTokens = 16;
constexpr std::size_t kStepTokens = 4;

struct BlockTile {
  alignas(64) std::int16_t codes[kTileRows][kPieceElements];
  float scales[kTileRows][kPieceElements / kPart];
  alignas(64) float sums[kTileRows][kBlockTokens][kPairs];
};

template <class Format>
inline void decode_piece(const std::byte* at, std::size_t elements, std::int16_t* codes, float* scales) {
  for (std::size_t k = 0; k < elements; k += Format::kElements, at += Format::kBytes) {
    const typename Format::Block block(at);
    for (std::size_t part = 0; part < Format::kElements / kPart; ++part) {
      for (int j = 0; j < kSums; ++j) store_i16(codes + k + part * kPart + j * kWords, block.codes(part, j));
    }
    *scales++ = splat_f16(at + Format::kScale)[0];
  }
}

/// Σ of 32 codes · x, lane by lane.
[[gnu::always_inline]] inline void multiply_part(const std::int16_t* codes, const std::int16_t* x,
                                                 I (&products)[kSums]) {
  for (int j = 0; j < kSums; ++j) {
    products[j] = multiply_pairs(load_i16(codes + j * kWords), load_i16(x + j * kWords));
  }
}

/// add_half for several tokens and codes that are decoded.
template <int kParity, int kTokens>
[[gnu::always_inline]] inline void add_half_of_tokens(const std::int16_t* codes, F scale,
                                                      const std::int16_t* x, std::size_t x_stride,
                                                      F (&sum)[kTokens][kSums]) {
  constexpr int kHalf = kSums / 2;
  for (int t = 0; t < kTokens; ++t) {
    I products[kSums];
    multiply_part(codes, x + t * x_stride, products);
    for (int j = 0; j < kHalf; ++j) {
      sum[t][kParity * kHalf + j] += to_float(products[j] + products[j + kHalf]) * scale;
    }
  }
}

/// sums[t] += the codes of `elements` elements · the activations of token t
template <class Format, int kTokens>
inline void accumulate(const std::int16_t* codes, const float* scales, const std::int16_t* x,
                       std::size_t x_stride, std::size_t elements, float (*sums)[kPairs]) {
  F sum[kTokens][kSums];
  for (int t = 0; t < kTokens; ++t) {
    for (int j = 0; j < kSums; ++j) sum[t][j] = load(sums[t] + j * kLanes);
  }
  if constexpr (kFolds<Format>) {
    for (std::size_t k = 0; k < elements; k += 2 * kPart, scales += 2) {
      const bool both = k + kPart < elements;
      if constexpr (kSums == 1) {
        const F scale = blend_halves(splat(scales[0]), splat(both ? scales[1] : 0.0f));
        constexpr std::size_t kHalf = kPart / 2;
        const std::size_t odd = both ? kPart : 0;
        const H first = load_i16(codes + k, codes + k + odd);
        const H last = load_i16(codes + k + kHalf, codes + k + odd + kHalf);
        for (int t = 0; t < kTokens; ++t) {
          const std::int16_t* q = x + t * x_stride + k;
          const I products = multiply_pairs(first, load_i16(q, q + odd)) +
                             multiply_pairs(last, load_i16(q + kHalf, q + odd + kHalf));
          sum[t][0] += to_float(products) * scale;
        }
      } else {
        add_half_of_tokens<0>(codes + k, splat(scales[0]), x + k, x_stride, sum);
        if (both) add_half_of_tokens<1>(codes + k + kPart, splat(scales[1]), x + k + kPart, x_stride, sum);
      }
    }
  } else {
    for (std::size_t k = 0; k < elements; k += Format::kElements) {
      const F scale = splat(*scales++);
      for (int t = 0; t < kTokens; ++t) {
        I products[kSums];
        for (I& v : products) v = zero_lanes();
        for (std::size_t i = k; i < k + Format::kElements; i += kPart) {
          I part[kSums];
          multiply_part(codes + i, x + t * x_stride + i, part);
          for (int j = 0; j < kSums; ++j) products[j] += part[j];
        }
        for (int j = 0; j < kSums; ++j) sum[t][j] += to_float(products[j]) * scale;
      }
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    for (int j = 0; j < kSums; ++j) store(sums[t] + j * kLanes, sum[t][j]);
  }
}

template <class Format>
inline void multiply_tile(const DenseArgs& a, std::size_t row, std::size_t rows, std::size_t token,
                          std::size_t tokens) {
  BlockTile tile;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t t = 0; t < tokens; ++t) {
      for (float& sum : tile.sums[r][t]) sum = 0.0f;
    }
  }
  for (std::size_t k = 0; k < a.cols; k += kPieceElements) {
    const std::size_t elements = least(kPieceElements, a.cols - k);
    for (std::size_t r = 0; r < rows; ++r) {
      decode_piece<Format>(a.weights + (row + r) * a.weight_stride + k / Format::kElements * Format::kBytes,
                           elements, tile.codes[r], tile.scales[r]);
    }
    std::size_t t = 0;
    for (; t + kStepTokens <= tokens; t += kStepTokens) {
      const std::int16_t* x = a.codes + (token + t) * a.codes_stride + k;
      for (std::size_t r = 0; r < rows; ++r) {
        accumulate<Format, kStepTokens>(tile.codes[r], tile.scales[r], x, a.codes_stride, elements,
                                        tile.sums[r] + t);
      }
    }
    for (; t < tokens; ++t) {
      const std::int16_t* x = a.codes + (token + t) * a.codes_stride + k;
      for (std::size_t r = 0; r < rows; ++r) {
        accumulate<Format, 1>(tile.codes[r], tile.scales[r], x, 0, elements, tile.sums[r] + t);
      }
    }
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t t = 0; t < tokens; ++t) {
      F sum[kSums];
      for (int j = 0; j < kSums; ++j) sum[j] = load(tile.sums[r][t] + j * kLanes);
      a.out[(token + t) * a.out_stride + row + r] = sum_lanes(tree(sum)) * a.code_scales[token + t];
    }
  }
}

template <class Format>
inline void blocks(const DenseArgs& a) {
  if (a.tokens == 1) return few_tokens<Format, kRowStreams, 1>(a);
  if constexpr (kSums == 1) {
    // Guesses that are checked together. At most 12 sums: with the codes, a product and its activations they
    // stay in 32 registers.
    switch (a.tokens) {
      case 2:
        return few_tokens<Format, kRowStreams, 2>(a);
      case 3:
        return few_tokens<Format, kRowStreams, 3>(a);
      case 4:
        return few_tokens<Format, 2, 4>(a);
      case 5:
        return few_tokens<Format, 2, 5>(a);
      case 6:
        return few_tokens<Format, 2, 6>(a);
      default:
        break;
    }
  }
  for (std::size_t row = a.row_begin; row < a.row_end; row += kTileRows) {
    const std::size_t rows = least(kTileRows, a.row_end - row);
    for (std::size_t token = 0; token < a.tokens; token += kBlockTokens) {
      multiply_tile<Format>(a, row, rows, token, least(kBlockTokens, a.tokens - token));
    }
  }
}

}  // namespace

float quantize16(const float* x, std::size_t n, std::int16_t* out) {
  F lane_max = splat(0.0f);
  F not_finite = splat(0.0f);  // v − v is 0, or NaN for NaN and infinities
  for (std::size_t i = 0; i < n; i += kLanes) {
    const F v = load_some(x + i, least(kLanes, n - i));
    lane_max = greater(absolute(v), lane_max);
    not_finite += v - v;
  }
  // So small that 32767 / max is finite, and no activation after a norm gets there.
  const float max = largest_lane(greater(lane_max, splat(1e-30f)));
  const F factor = splat(32767.0f / max);
  for (std::size_t i = 0; i < n; i += kLanes) {
    const F v = load_some(x + i, least(kLanes, n - i)) * factor;
    const I q = round_to_int(lesser(greater(v, splat(-32767.0f)), splat(32767.0f)));
    if (i + kLanes <= n) {
      store_i16(out + i, q);
    } else {
      for (std::size_t j = 0; i + j < n; ++j) out[i + j] = static_cast<std::int16_t>(q[j]);
    }
  }
  return max / 32767.0f + sum_lanes(not_finite);
}

void dense_q8_0(const DenseArgs& args) {
  blocks<Q8_0>(args);
}
void dense_q6_k(const DenseArgs& args) {
  blocks<Q6_K>(args);
}
void dense_q4_0(const DenseArgs& args) {
  blocks<Q4_0>(args);
}
