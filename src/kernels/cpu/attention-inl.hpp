// Attention over the blocks of the KV cache, in an order of float operations that depends neither on the
// lanes of a vector nor on the tokens beside a token, the threads or the split of the positions.
//
// Lanes are positions where a query meets keys (they lie transposed) and elements where probabilities meet
// values, so that every sum of a product runs over one lane, in order, and no lane meets another. Per query,
// with block b holding 64 positions (fewer in the last) and m, s, o starting each chunk of kKvChunk positions
// at −FLT_MAX, 0 and 0:
//
//   x_p = (Σ_i q_i · K_pi) · scale                      i = 0, 1, …; each step rounded once
//   m' = max(m, x_p);  f = e^(m − m');  e_p = e^(x_p − m')
//   s = s · f + Σ_p e_p                                 32 partial sums and a tree, as everywhere
//   o_i = o_i · f + Σ_p e_p · V_pi                      p = 0, 1, …; likewise
//
// An int8 cache is multiplied in integers, exact in any order: q and e_p · (value scale of p) are
// rounded to 16 bits, each with a unit for the row, so that x_p = Σ q' · K' · (unit · scale) · (key scale of
// p) and o = o · f + Σ e' · V' · unit.
//
// and chunks are merged from the first to the last: m' = max(m_a, m_b), s = s_a · e^(m_a − m') + s_b · e^(m_b
// − m'), o likewise; the result is o / s. Tri Dao et al., FlashAttention (arXiv:2205.14135).
//
// Included inside namespace sterna::<isa>, after math-inl.hpp.

namespace {

// How elements of the cache lie and multiply. A step of a product takes kDepth elements of the sum for each
// of kLanes columns: the left side spreads them over all lanes, the right one reads them beside each other.

/// Elements that become float32.
struct Floats {
  using Left = float;
  using Lanes = F;
  static constexpr std::size_t kDepth = 1;
  static Lanes zero() { return splat(0.0f); }
  static F spread(const float* from) { return splat(*from); }
  [[gnu::always_inline]] static void add_product(F& sum, F a, F b) { sum = multiply_add(a, b, sum); }
};
struct F32Elements : Floats {
  static constexpr std::size_t kBytes = 4;
  static F read(const std::byte* from) { return load(from); }
  static void write(std::byte* to, F v) { store(reinterpret_cast<float*>(to), v); }
};
struct F16Elements : Floats {
  static constexpr std::size_t kBytes = 2;
  static F read(const std::byte* from) { return load_f16(from); }
  static void write(std::byte* to, F v) { store_f16(reinterpret_cast<std::uint16_t*>(to), v); }
};
/// int8 in pairs along the sum, times int16.
struct I8Elements {
  using Left = std::int16_t;
  using Lanes = I;
  static constexpr std::size_t kDepth = kKvPair;
  static constexpr std::size_t kBytes = 1;
  static Lanes zero() { return zero_lanes(); }
  static H spread(const std::int16_t* from) {
    std::int32_t pair;
    __builtin_memcpy(&pair, from, sizeof pair);
    return reinterpret_cast<H>(zero_lanes() + pair);
  }
  static H read(const std::byte* from) { return widen_i8(from); }
  [[gnu::always_inline]] static void add_product(I& sum, H a, H b) { sum = add_pairs(sum, a, b); }
  static void write(std::byte* to, F v) { store_i8(reinterpret_cast<std::int8_t*>(to), round_to_int(v)); }
};
template <class Elements>
constexpr bool kIntegers = Elements::kDepth > 1;

// ---- products ---------------------------------------------------------------------------------------------

// A tile of 4 rows of queries (or probabilities) and 2 vectors of keys (or values). For each step of the sum
// it takes 2 + 4 loads and 8 fused multiplications and additions: with two of each a cycle 3 cycles of loads
// hide behind 4 of arithmetic, and 8 sums just cover its latency, 4 cycles on 2 ports. 8 sums, 2 vectors and
// a factor are 11 of 16 registers.
constexpr int kTileRows = 4;
constexpr int kTileVectors = 2;

// From this many rows on a block is converted to float32 once; below, each tile reads it as it lies.
constexpr std::size_t kConvertFrom = 2 * kTileRows + 1;

// A tile walks down columns, which no prefetcher of a processor likes: it is told instead. What follows in
// memory is fetched at the rate at which this is used: one tile's width for each step. So is what follows
// that, into the second-level cache, for the first cannot wait for as many lines as memory has to be asked
// for.
struct NoPrefetch {
  template <std::size_t kBytes>
  [[gnu::always_inline]] void step() {}
};
struct Prefetch {
  const std::byte* next;
  const std::byte* later;
  template <std::size_t kBytes>
  [[gnu::always_inline]] void step() {
    for (std::size_t line = 0; line < kBytes; line += 64) {
      __builtin_prefetch(next + line);
      __builtin_prefetch(later + line, 0, 2);
    }
    next += kBytes;
    later += kBytes;
  }
};

/// put(r, j, Σ_k a[r · a_stride + k] · b_k[j · kLanes …]) over `depth` elements, where a step of b is at b +
/// step · b_step.
template <class Elements, int kRows, int kVecs, class Ahead, class Put>
[[gnu::always_inline]] inline void multiply_tile(const typename Elements::Left* a, std::size_t a_stride,
                                                 const std::byte* b, std::size_t b_step, std::size_t depth,
                                                 Ahead& ahead, Put put) {
  constexpr std::size_t kVectorBytes = kLanes * Elements::kDepth * Elements::kBytes;
  typename Elements::Lanes sum[kRows][kVecs];
  for (auto& row : sum) {
    for (auto& v : row) v = Elements::zero();
  }
  for (std::size_t k = 0; k < depth; k += Elements::kDepth) {
    decltype(Elements::read(b)) w[kVecs];
    for (int j = 0; j < kVecs; ++j) w[j] = Elements::read(b + j * kVectorBytes);
    b += b_step;
    ahead.template step<kVecs * kVectorBytes>();
    for (int r = 0; r < kRows; ++r) {
      const auto x = Elements::spread(a + static_cast<std::size_t>(r) * a_stride + k);
      for (int j = 0; j < kVecs; ++j) Elements::add_product(sum[r][j], x, w[j]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kVecs; ++j) put(static_cast<std::size_t>(r), static_cast<std::size_t>(j), sum[r][j]);
  }
}

/// The left side of a product.
template <class Left>
struct Rows {
  const Left* data;
  std::size_t stride;
  std::size_t count;
};
/// The right side: `stride` columns, a multiple of 16.
struct Columns {
  const std::byte* data;
  std::size_t stride;
};

template <int kCount>
struct Count {
  static constexpr int kValue = kCount;
};

template <class Elements, int kVecs, class Ahead, class Put>
inline void multiply_columns(const Rows<typename Elements::Left>& a, const std::byte* b, std::size_t b_step,
                             std::size_t depth, std::size_t column, Ahead& ahead, Put put) {
  const auto tile = [&](auto count, std::size_t first, auto& prefetch) {
    multiply_tile<Elements, count.kValue, kVecs>(
        a.data + first * a.stride, a.stride, b, b_step, depth, prefetch,
        [&](std::size_t r, std::size_t j, auto v) { put(first + r, column + j * kLanes, v); });
  };
  NoPrefetch none;
  if (a.count >= kTileRows) tile(Count<kTileRows>{}, 0, ahead);
  std::size_t r = kTileRows;
  for (; r + kTileRows <= a.count; r += kTileRows) tile(Count<kTileRows>{}, r, none);
  switch (a.count % kTileRows) {
    case 3:
      return tile(Count<3>{}, a.count - 3, ahead);
    case 2:
      return tile(Count<2>{}, a.count - 2, ahead);
    case 1:
      return tile(Count<1>{}, a.count - 1, ahead);
    default:
      return;
  }
}

/// put(row, column, a vector of the product) for at least `columns` columns, of which `stride` exist.
template <class Elements, class Ahead, class Put>
inline void multiply(const Rows<typename Elements::Left>& a, const Columns& b, std::size_t depth,
                     std::size_t columns, Ahead ahead, Put put) {
  constexpr std::size_t kStepBytes = Elements::kDepth * Elements::kBytes;
  const std::size_t step = b.stride * kStepBytes;
  for (std::size_t n = 0; n < columns; n += kTileVectors * kLanes) {
    const std::byte* at = b.data + n * kStepBytes;
    if (n + kTileVectors * kLanes <= b.stride) {
      multiply_columns<Elements, kTileVectors>(a, at, step, depth, n, ahead, put);
    } else {
      multiply_columns<Elements, 1>(a, at, step, depth, n, ahead, put);
    }
  }
}

template <class Elements>
inline void to_floats(const std::byte* from, std::size_t n, float* to) {
  for (std::size_t i = 0; i < n; i += kLanes) store(to + i, Elements::read(from + i * Elements::kBytes));
}

// ---- one block --------------------------------------------------------------------------------------------

/// What is known of some queries after some positions: see the top. Row t · group + g is query head g of
/// token t.
struct State {
  State(float* memory, std::size_t rows, std::size_t row_width)
      : width(row_width), sums(memory), maxima(memory + rows * width), totals(maxima + rows) {}
  std::size_t width;
  float* sums;    ///< o: [rows][width]
  float* maxima;  ///< m: [rows]
  float* totals;  ///< s: [rows]
};

/// The working memory of a call, as attention_scratch_floats counts it.
struct Scratch {
  Scratch(const AttentionArgs& a, std::size_t rows)
      : block(a.scratch),
        queries(block + kKvBlock * a.layout.width),
        scores(queries + rows * a.layout.width),
        factors(scores + rows * kKvBlock),
        query_units(factors + rows),
        weight_units(query_units + rows),
        chunk(weight_units + rows) {}
  float* block;         ///< [64 · width]: keys or values as float32
  float* queries;       ///< [rows][width]; for integers the first half of each row in 16 bits
  float* scores;        ///< [rows][64]: x, then e; for integers likewise
  float* factors;       ///< [rows]: f
  float* query_units;   ///< [rows], of integers
  float* weight_units;  ///< [rows], of integers
  float* chunk;         ///< the state of a chunk
};

/// Largest magnitude of x, NaN apart; `finite` becomes 0, or NaN where an element is infinite or NaN.
inline float largest(const float* x, std::size_t n, float& finite) {
  F most = splat(0.0f);
  F differences = splat(0.0f);
  for (std::size_t i = 0; i < n; i += kLanes) {
    const F v = load_some(x + i, least(kLanes, n - i));
    most = greater(absolute(v), most);
    differences += v - v;
  }
  finite = sum_lanes(differences);
  return largest_lane(most);
}

/// The factor that makes a row's elements fit ±limit, and the unit they then have: 0 for zeros, NaN for a row
/// that is not finite.
inline float fit(const float* x, std::size_t n, float limit, float& unit) {
  float finite;
  const float max = largest(x, n, finite);
  unit = max / limit + finite;
  return max < 0x1p-100f ? 0.0f
                         : limit / max;  // of less the quotient could overflow, and nobody misses the row
}
inline F clamp(F v, float limit) {
  return greater(lesser(v, splat(limit)), splat(-limit));
}

/// The first half of a row's place, as int16.
inline std::int16_t* integers(float* row) {
  return reinterpret_cast<std::int16_t*>(row);
}

/// n floats, a multiple of 16, to as many int16 in the first half of their place; gives their unit.
inline float to_integers(float* x, std::size_t n, float limit) {
  float unit;
  const F factor = splat(fit(x, n, limit, unit));
  for (std::size_t i = 0; i < n; i += kLanes) {
    store_i16(integers(x) + i, round_to_int(clamp(load(x + i) * factor, limit)));
  }
  return unit;
}

// The sums must fit int32: of width products with a key, of 64 with a value.
constexpr float kWeightLimit = 32767.0f;
inline float query_limit(std::size_t width) {
  constexpr std::size_t kMost = 0x7fffffff / 127;
  return width <= kMost / 32767 ? 32767.0f : static_cast<float>(kMost / width);
}

/// The larger of m and the scores of positions below `count`; those from there on are not seen, and weigh 0.
inline float largest_score(float* scores, std::size_t count, float max) {
  F most = splat(max);
  for (std::size_t p = count; p < kKvBlock; ++p) scores[p] = -__builtin_inff();
  for (std::size_t p = 0; p < count; p += kLanes) most = greater(load(scores + p), most);
  return largest_lane(most);
}

/// Scores to e.
inline void weigh(float* scores, std::size_t count, float max) {
  const F now = splat(max);
  for (std::size_t p = 0; p < kKvBlock; p += kLanes) {
    store(scores + p, p < count ? exponential(load(scores + p) - now) : splat(0.0f));
  }
}

/// Brings s forward by the e of a block; gives f.
inline float add_weights(const float* weights, std::size_t count, float old_max, float max, float& total) {
  const float sum =
      canonical_sum(count, [=](std::size_t p, std::size_t lanes) { return load_some(weights + p, lanes); });
  const float factor = old_max == max ? 1.0f : exponential(splat(old_max - max))[0];
  total = total * factor + sum;
  return factor;
}

/// x[p] · scales[p] for p < count.
inline void scale_positions(float* x, const float* scales, std::size_t count) {
  for_each(count, x,
           [=](std::size_t p, std::size_t n) { return load_some(x + p, n) * load_some(scales + p, n); });
}

/// Brings the state of the tokens that see it forward by a block.
template <class Elements>
inline void attend_block(const AttentionArgs& a, const Scratch& scratch, std::size_t block, State& state) {
  const std::size_t width = a.layout.width;
  const std::size_t begin = block * kKvBlock;
  const std::byte* at = a.blocks + block * a.block_stride;
  const auto scales = [&](std::size_t offset) { return reinterpret_cast<const float*>(at + offset); };
  const std::size_t first = begin > a.position ? begin - a.position : 0;  // the first token that sees it
  const std::size_t row = first * a.group;
  const std::size_t rows = (a.tokens - first) * a.group;
  const auto seen = [&](std::size_t token) { return least(kKvBlock, a.position + token + 1 - begin); };
  const std::size_t columns = seen(a.tokens - 1);
  const bool convert = rows >= kConvertFrom && Elements::kBytes == F16Elements::kBytes;
  const std::byte* values = at + a.layout.values;
  // Behind the last block there is nothing to ask for.
  const std::byte* next = begin + kKvBlock < a.position + a.tokens ? at + a.block_stride : at;
  const auto* converted = reinterpret_cast<const std::byte*>(scratch.block);

  if constexpr (kIntegers<Elements>) {
    multiply<Elements>({integers(scratch.queries + row * width), 2 * width, rows}, {at, kKvBlock}, width,
                       columns, Prefetch{values, next}, [&](std::size_t r, std::size_t p, I v) {
                         store(scratch.scores + (row + r) * kKvBlock + p,
                               to_float(v) * splat(scratch.query_units[row + r]));
                       });
  } else {
    const Rows<float> queries{scratch.queries + row * width, width, rows};
    const auto put = [&](std::size_t r, std::size_t p, F v) {
      store(scratch.scores + (row + r) * kKvBlock + p, v * splat(a.scale));
    };
    if (convert) {
      to_floats<Elements>(at, a.head_dim * kKvBlock, scratch.block);
      multiply<F32Elements>(queries, {converted, kKvBlock}, a.head_dim, columns, NoPrefetch{}, put);
    } else {
      multiply<Elements>(queries, {at, kKvBlock}, a.head_dim, columns, Prefetch{values, next}, put);
    }
  }

  // Step by step for all rows: the steps of one wait for each other, those of several do not.
  const auto for_each_row = [&](auto step) {
    for (std::size_t r = row; r < row + rows; ++r) step(r, scratch.scores + r * kKvBlock, seen(r / a.group));
  };
  for_each_row([&](std::size_t r, float* scores, std::size_t count) {
    if constexpr (kIntegers<Elements>) scale_positions(scores, scales(a.layout.key_scales), count);
    scratch.factors[r] = state.maxima[r];
    state.maxima[r] = largest_score(scores, count, state.maxima[r]);
  });
  for_each_row(
      [&](std::size_t r, float* scores, std::size_t count) { weigh(scores, count, state.maxima[r]); });
  for_each_row([&](std::size_t r, const float* weights, std::size_t count) {
    scratch.factors[r] = add_weights(weights, count, scratch.factors[r], state.maxima[r], state.totals[r]);
  });
  if constexpr (kIntegers<Elements>) {
    for_each_row([&](std::size_t r, float* weights, std::size_t count) {
      scale_positions(weights, scales(a.layout.value_scales), count);
      scratch.weight_units[r] = to_integers(weights, kKvBlock, kWeightLimit);
    });
  }

  const auto add = [&](std::size_t r, std::size_t i, F v) {
    float* sum = state.sums + r * width + i;
    store(sum, load(sum) * splat(scratch.factors[r]) + v);
  };
  if constexpr (kIntegers<Elements>) {  // what lies behind a token's end is times 0
    multiply<Elements>({integers(scratch.scores + row * kKvBlock), 2 * kKvBlock, rows}, {values, width},
                       columns, width, Prefetch{next, next + a.layout.values},
                       [&](std::size_t r, std::size_t i, I v) {
                         add(row + r, i, to_float(v) * splat(scratch.weight_units[row + r]));
                       });
  } else {
    if (convert) to_floats<Elements>(values, kKvBlock * width, scratch.block);
    const auto mix = [&](std::size_t from, std::size_t count, std::size_t positions) {
      const Rows<float> weights{scratch.scores + from * kKvBlock, kKvBlock, count};
      const auto put = [&](std::size_t r, std::size_t i, F v) { add(from + r, i, v); };
      if (convert) {
        multiply<F32Elements>(weights, {converted, width}, positions, width, NoPrefetch{}, put);
      } else {
        multiply<Elements>(weights, {values, width}, positions, width, Prefetch{next, next + a.layout.values},
                           put);
      }
    };
    if (seen(first) == kKvBlock) {
      mix(row, rows, kKvBlock);
    } else {  // what lies behind a token's end must not touch it, not even times 0: it may be infinite
      for (std::size_t t = first; t < a.tokens; ++t) mix(t * a.group, a.group, seen(t));
    }
  }
}

// ---- chunks -----------------------------------------------------------------------------------------------

/// Row `row` of `into` after the positions of both.
inline void merge(const State& into, const State& from, std::size_t row) {
  const float max = from.maxima[row] > into.maxima[row] ? from.maxima[row] : into.maxima[row];
  const float a = exponential(splat(into.maxima[row] - max))[0];
  const float b = exponential(splat(from.maxima[row] - max))[0];
  into.maxima[row] = max;
  into.totals[row] = into.totals[row] * a + from.totals[row] * b;
  float* sums = into.sums + row * into.width;
  const float* others = from.sums + row * from.width;
  for (std::size_t i = 0; i < into.width; i += kLanes) {
    store(sums + i, load(sums + i) * splat(a) + load(others + i) * splat(b));
  }
}

template <class Elements>
inline void attention(const AttentionArgs& a) {
  const std::size_t rows = a.tokens * a.group;
  const std::size_t width = a.layout.width;
  const Scratch scratch(a, rows);
  for (std::size_t r = 0; r < rows; ++r) {
    const float* from = a.query + r / a.group * a.query_stride + r % a.group * a.head_dim;
    float* query = scratch.queries + r * width;
    for (std::size_t i = width - 16; i < width; i += kLanes) store(query + i, splat(0.0f));
    for_each(a.head_dim, query, [=](std::size_t i, std::size_t count) { return load_some(from + i, count); });
    if constexpr (kIntegers<Elements>)
      scratch.query_units[r] = to_integers(query, width, query_limit(width)) * a.scale;
  }
  const State all(a.state, rows, width);
  // The first keys have no block before them that would fetch them.
  const std::byte* keys = a.blocks + a.chunk_begin * (kKvChunk / kKvBlock) * a.block_stride;
  constexpr std::size_t kPositionBytes = Elements::kDepth * Elements::kBytes;
  const std::size_t seen = least(kKvBlock, a.position + a.tokens - a.chunk_begin * kKvChunk);
  for (std::size_t row = 0; row < a.layout.values; row += kKvBlock * kPositionBytes) {
    for (std::size_t i = 0; i < seen * kPositionBytes; i += 64) __builtin_prefetch(keys + row + i);
  }
  for (std::size_t chunk = a.chunk_begin; chunk < a.chunk_end; ++chunk) {
    State state = chunk == a.chunk_begin ? all : State(scratch.chunk, rows, width);
    const std::size_t begin = chunk * kKvChunk;
    const std::size_t end = least(begin + kKvChunk, a.position + a.tokens);
    const std::size_t first = begin > a.position ? (begin - a.position) * a.group : 0;
    for (std::size_t r = first; r < rows; ++r) {
      state.maxima[r] = -__FLT_MAX__;  // finite: what is −∞ then weighs nothing
      state.totals[r] = 0.0f;
      for (std::size_t i = 0; i < width; i += kLanes) store(state.sums + r * width + i, splat(0.0f));
    }
    for (std::size_t p = begin; p < end; p += kKvBlock)
      attend_block<Elements>(a, scratch, p / kKvBlock, state);
    if (chunk == a.chunk_begin) continue;
    for (std::size_t r = first; r < rows; ++r) merge(all, state, r);
  }
}

}  // namespace

void attention_f32(const AttentionArgs& args) {
  attention<F32Elements>(args);
}
void attention_f16(const AttentionArgs& args) {
  attention<F16Elements>(args);
}
void attention_i8(const AttentionArgs& args) {
  attention<I8Elements>(args);
}

void attention_finish(const AttentionFinishArgs& a) {
  const std::size_t rows = a.tokens * a.group;
  const State all(a.states, rows, a.width);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t token = r / a.group;
    const std::size_t states = least(a.count, (a.position + token) / kKvChunk + 1);
    for (std::size_t i = 1; i < states; ++i) merge(all, State(a.states + i * a.stride, rows, a.width), r);
    const F total = splat(all.totals[r]);
    const float* sums = all.sums + r * a.width;
    for_each(a.head_dim, a.out + token * a.out_stride + r % a.group * a.head_dim,
             [=](std::size_t i, std::size_t) { return load(sums + i) / total; });
  }
}
