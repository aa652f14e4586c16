// Attention over the blocks of the KV cache, in an order of float operations that depends neither on the
// lanes of a vector nor on the tokens beside a token, the threads or the split of the positions.
//
// Lanes are positions where a query meets keys (they lie transposed) and elements where probabilities meet
// values, so that every sum of a product runs over one lane, in order, and no lane meets another. Per query,
// with block b holding 64 positions (fewer in the last) and m, s, o starting each chunk of kKvChunk positions
// at −FLT_MAX, 0 and 0:
//
//   x_p = Σ_i (q_i · scale) · K_pi                      i = 0, 1, …; int8 keys: · key scale of p
//   m' = max(m, x_p);  f = e^(m − m');  e_p = e^(x_p − m')
//   s = s · f + Σ_p e_p                                 32 partial sums and a tree, as everywhere
//   o_i = o_i · f + Σ_p e_p · V_pi                      p = 0, 1, …; int8 values: e_p · value scale of p
//
// and chunks are merged from the first to the last: m' = max(m_a, m_b), s = s_a · e^(m_a − m') + s_b · e^(m_b
// − m'), o likewise; the result is o / s. Tri Dao et al., FlashAttention (arXiv:2205.14135).
//
// Included inside namespace sterna::<isa>, after math-inl.hpp.

namespace {

struct F32Elements {
  static constexpr std::size_t kBytes = 4;
  static F read(const std::byte* from) { return load(from); }
  static void write(std::byte* to, F v) { store(reinterpret_cast<float*>(to), v); }
};
struct F16Elements {
  static constexpr std::size_t kBytes = 2;
  static F read(const std::byte* from) { return load_f16(from); }
  static void write(std::byte* to, F v) { store_f16(reinterpret_cast<std::uint16_t*>(to), v); }
};
struct I8Elements {
  static constexpr std::size_t kBytes = 1;
  static F read(const std::byte* from) { return to_float(load_i8(from)); }
  static void write(std::byte* to, F v) { store_i8(reinterpret_cast<std::int8_t*>(to), round_to_int(v)); }
};

// ---- products ---------------------------------------------------------------------------------------------

// A tile of 4 rows of queries (or probabilities) and 2 vectors of keys (or values). For each step of the sum
// it takes 2 + 4 loads, 8 multiplications and 8 additions: with two loads, two multiplications and two
// additions a cycle (Zen 2 to 4) 3 cycles of loads hide behind 4 of arithmetic, and 8 sums cover the latency
// of an addition, 3 cycles on 2 ports. 8 sums, 2 vectors and a factor are 11 of 16 registers.
constexpr int kTileRows = 4;
constexpr int kTileVectors = 2;

// From this many rows on a block is converted to float32 once; below, each tile reads it as it lies.
constexpr std::size_t kConvertFrom = 2 * kTileRows + 1;

// A tile walks down columns, which no prefetcher of a processor likes: it is told instead. What follows in
// memory is fetched at the rate at which this is used: one tile's width for each step.
struct NoPrefetch {
  template <std::size_t kBytes>
  [[gnu::always_inline]] void step() {}
};
struct Prefetch {
  const std::byte* at;
  template <std::size_t kBytes>
  [[gnu::always_inline]] void step() {
    __builtin_prefetch(at);
    at += kBytes;
  }
};

/// put(r, j, Σ_k a[r · a_stride + k] · b_k[j · kLanes …]) where b_k is the row b + k · b_stride.
template <class Elements, int kRows, int kVecs, class Ahead, class Put>
[[gnu::always_inline]] inline void multiply_tile(const float* a, std::size_t a_stride, const std::byte* b,
                                                 std::size_t b_stride, std::size_t depth, Ahead& ahead,
                                                 Put put) {
  F sum[kRows][kVecs];
  for (auto& row : sum) {
    for (F& v : row) v = splat(0.0f);
  }
  for (std::size_t k = 0; k < depth; ++k) {
    F w[kVecs];
    for (int j = 0; j < kVecs; ++j) w[j] = Elements::read(b + j * kLanes * Elements::kBytes);
    b += b_stride;
    ahead.template step<kVecs * kLanes * Elements::kBytes>();
    for (int r = 0; r < kRows; ++r) {
      const F x = splat(a[static_cast<std::size_t>(r) * a_stride + k]);
      for (int j = 0; j < kVecs; ++j) sum[r][j] += x * w[j];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kVecs; ++j) put(static_cast<std::size_t>(r), static_cast<std::size_t>(j), sum[r][j]);
  }
}

/// The left side of a product: rows of floats.
struct Rows {
  const float* data;
  std::size_t stride;
  std::size_t count;
};
/// The right side: `stride` elements from one step of the sum to the next, a multiple of 16.
struct Columns {
  const std::byte* data;
  std::size_t stride;
};

template <int kCount>
struct Count {
  static constexpr int kValue = kCount;
};

template <class Elements, int kVecs, class Ahead, class Put>
inline void multiply_columns(const Rows& a, const std::byte* b, std::size_t b_stride, std::size_t depth,
                             std::size_t column, Ahead& ahead, Put put) {
  const auto tile = [&](auto count, std::size_t first, auto& prefetch) {
    multiply_tile<Elements, count.kValue, kVecs>(
        a.data + first * a.stride, a.stride, b, b_stride, depth, prefetch,
        [&](std::size_t r, std::size_t j, F v) { put(first + r, column + j * kLanes, v); });
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
inline void multiply(const Rows& a, const Columns& b, std::size_t depth, std::size_t columns, Ahead ahead,
                     Put put) {
  const std::size_t stride = b.stride * Elements::kBytes;
  for (std::size_t n = 0; n < columns; n += kTileVectors * kLanes) {
    const std::byte* at = b.data + n * Elements::kBytes;
    if (n + kTileVectors * kLanes <= b.stride) {
      multiply_columns<Elements, kTileVectors>(a, at, stride, depth, n, ahead, put);
    } else {
      multiply_columns<Elements, 1>(a, at, stride, depth, n, ahead, put);
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
        chunk(factors + rows) {}
  float* block;    ///< [64 · width]: keys or values as float32
  float* queries;  ///< [rows][width], times scale
  float* scores;   ///< [rows][64]: x, then e
  float* factors;  ///< [rows]: f
  float* chunk;    ///< the state of a chunk
};

/// Scores to e; gives f, and brings m and s forward. Positions from `count` on are not seen.
inline float softmax(float* scores, std::size_t count, const float* key_scales, const float* value_scales,
                     float& max, float& total) {
  F most = splat(max);
  for (std::size_t p = count; p < kKvBlock; ++p) scores[p] = -__builtin_inff();
  for (std::size_t p = 0; p < count; p += kLanes) {
    F x = load(scores + p);
    if (key_scales) {
      x = x * load(key_scales + p);
      if (count - p < kLanes) {  // nobody knows the scales behind the end
        store(scores + p, splat(-__builtin_inff()));
        store(scores + p, x, count - p);
        x = load(scores + p);
      }
      store(scores + p, x);
    }
    most = greater(x, most);
  }
  const float old = max;
  for (int i = 0; i < kLanes; ++i) max = most[i] > max ? most[i] : max;
  const F now = splat(max);
  for (std::size_t p = 0; p < count; p += kLanes) {
    store(scores + p, exponential(load(scores + p) - now));
  }
  const float sum =
      canonical_sum(count, [=](std::size_t p, std::size_t lanes) { return load_some(scores + p, lanes); });
  if (value_scales) {
    for (std::size_t p = 0; p < count; p += kLanes)
      store(scores + p, load(scores + p) * load(value_scales + p));
  }
  const float factor = exponential(splat(old - max))[0];
  total = total * factor + sum;
  return factor;
}

/// Brings the state of the tokens that see it forward by a block; after the last there is none to fetch.
template <class Elements>
inline void attend_block(const AttentionArgs& a, const Scratch& scratch, std::size_t block, bool last,
                         State& state) {
  const std::size_t width = a.layout.width;
  const std::size_t begin = block * kKvBlock;
  const std::byte* at = a.blocks + block * a.layout.bytes;
  const auto scales = [&](std::size_t offset) {
    return offset == 0 ? nullptr : reinterpret_cast<const float*>(at + offset);
  };
  const std::size_t first = begin > a.position ? begin - a.position : 0;  // the first token that sees it
  const std::size_t row = first * a.group;
  const std::size_t rows = (a.tokens - first) * a.group;
  const auto seen = [&](std::size_t token) { return least(kKvBlock, a.position + token + 1 - begin); };
  const bool convert = rows >= kConvertFrom && Elements::kBytes != F32Elements::kBytes;

  const auto put_score = [&](std::size_t r, std::size_t p, F v) {
    store(scratch.scores + (row + r) * kKvBlock + p, v);
  };
  const Rows queries{scratch.queries + row * width, width, rows};
  const std::size_t columns = seen(a.tokens - 1);
  if (convert) {
    to_floats<Elements>(at, a.head_dim * kKvBlock, scratch.block);
    multiply<F32Elements>(queries, {reinterpret_cast<const std::byte*>(scratch.block), kKvBlock}, a.head_dim,
                          columns, NoPrefetch{}, put_score);
  } else {
    multiply<Elements>(queries, {at, kKvBlock}, a.head_dim, columns, Prefetch{at + a.layout.values},
                       put_score);
  }

  for (std::size_t r = row; r < row + rows; ++r) {
    scratch.factors[r] =
        softmax(scratch.scores + r * kKvBlock, seen(r / a.group), scales(a.layout.key_scales),
                scales(a.layout.value_scales), state.maxima[r], state.totals[r]);
  }

  const std::byte* values = at + a.layout.values;
  if (convert) to_floats<Elements>(values, kKvBlock * width, scratch.block);
  const auto mix = [&](std::size_t from, std::size_t count, std::size_t positions) {
    const auto put = [&](std::size_t r, std::size_t i, F v) {
      float* sum = state.sums + (from + r) * width + i;
      store(sum, load(sum) * splat(scratch.factors[from + r]) + v);
    };
    const Rows weights{scratch.scores + from * kKvBlock, kKvBlock, count};
    if (convert) {
      multiply<F32Elements>(weights, {reinterpret_cast<const std::byte*>(scratch.block), width}, positions,
                            width, NoPrefetch{}, put);
    } else {
      multiply<Elements>(weights, {values, width}, positions, width,
                         Prefetch{last ? values : at + a.layout.bytes}, put);
    }
  };
  if (seen(first) == kKvBlock) {
    mix(row, rows, kKvBlock);
  } else {  // what lies behind a token's end must not touch it, not even times 0: it may be infinite
    for (std::size_t t = first; t < a.tokens; ++t) mix(t * a.group, a.group, seen(t));
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
    const float* query = a.query + r / a.group * a.query_stride + r % a.group * a.head_dim;
    for_each(a.head_dim, scratch.queries + r * width,
             [=](std::size_t i, std::size_t count) { return load_some(query + i, count) * splat(a.scale); });
  }
  const State all(a.state, rows, width);
  // The first keys have no block before them that would fetch them.
  const std::byte* keys = a.blocks + a.chunk_begin * (kKvChunk / kKvBlock) * a.layout.bytes;
  for (std::size_t i = 0; i < a.layout.values; i += 64) __builtin_prefetch(keys + i);
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
    for (std::size_t p = begin; p < end; p += kKvBlock) {
      const bool last = p + kKvBlock >= end && chunk + 1 == a.chunk_end;
      attend_block<Elements>(a, scratch, p / kKvBlock, last, state);
    }
    if (chunk == a.chunk_begin) continue;
    for (std::size_t r = first; r < rows; ++r) merge(all, state, r);
  }
}

// ---- the cache --------------------------------------------------------------------------------------------

/// Largest magnitude of x, NaN apart; `finite` becomes 0, or NaN where an element is infinite or NaN.
inline float largest(const float* x, std::size_t n, float& finite) {
  F most = splat(0.0f);
  F differences = splat(0.0f);
  for (std::size_t i = 0; i < n; i += kLanes) {
    const F v = load_some(x + i, least(kLanes, n - i));
    most = greater(absolute(v), most);
    differences += v - v;
  }
  float max = 0.0f;
  for (int i = 0; i < kLanes; ++i) max = most[i] > max ? most[i] : max;
  finite = sum_lanes(differences);
  return max;
}

/// Stores x times what makes its elements fit, and gives the scale to multiply them with: 1 but for int8,
/// where it is max|x| / 127 (0 for zeros) and a row that is not finite becomes NaN as a whole.
template <class Elements, class Put>
inline float encode(const float* x, std::size_t n, Put put) {
  float scale = 1.0f;
  float factor = 1.0f;
  if constexpr (Elements::kBytes == I8Elements::kBytes) {
    float finite;
    const float max = largest(x, n, finite);
    // Below 2^-100 the quotient could overflow, and nobody would miss the row.
    factor = max < 0x1p-100f ? 0.0f : 127.0f / max;
    scale = max / 127.0f + finite;
  }
  for (std::size_t i = 0; i < n; i += kLanes) {
    const std::size_t count = least(kLanes, n - i);
    F v = load_some(x + i, count);
    if constexpr (Elements::kBytes == I8Elements::kBytes) {
      v = greater(lesser(v * splat(factor), splat(127.0f)), splat(-127.0f));
    }
    alignas(64) std::byte encoded[kLanes * Elements::kBytes];
    Elements::write(encoded, v);
    put(i, count, encoded);
  }
  return scale;
}

template <class Elements>
inline void append(const KvAppendArgs& a) {
  constexpr std::size_t kBytes = Elements::kBytes;
  std::byte* keys = a.block + a.slot * kBytes;
  const float key_scale =
      encode<Elements>(a.key, a.head_dim, [&](std::size_t i, std::size_t n, const std::byte* from) {
        for (std::size_t k = 0; k < n; ++k) {
          __builtin_memcpy(keys + (i + k) * kKvBlock * kBytes, from + k * kBytes, kBytes);
        }
      });
  std::byte* values = a.block + a.layout.values + a.slot * a.layout.width * kBytes;
  const float value_scale =
      encode<Elements>(a.value, a.head_dim, [&](std::size_t i, std::size_t n, const std::byte* from) {
        __builtin_memcpy(values + i * kBytes, from, n * kBytes);
      });
  if (a.layout.key_scales == 0) return;
  reinterpret_cast<float*>(a.block + a.layout.key_scales)[a.slot] = key_scale;
  reinterpret_cast<float*>(a.block + a.layout.value_scales)[a.slot] = value_scale;
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

void kv_append_f32(const KvAppendArgs& args) {
  append<F32Elements>(args);
}
void kv_append_f16(const KvAppendArgs& args) {
  append<F16Elements>(args);
}
void kv_append_i8(const KvAppendArgs& args) {
  append<I8Elements>(args);
}
