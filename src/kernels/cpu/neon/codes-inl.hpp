// The 2-bit codes of a row in 128-bit vectors. c = trit + 1 is 0 … 2 (3 only in the padding, which meets
// activations of 0), and Σ trit·q = Σ c·q − Σ q.
//
// Included inside namespace sterna::<isa>, after ternary_layouts-inl.hpp.

namespace {

// A vector holds half of a group's bytes, hence 16 codes of each field.
constexpr std::size_t kVectorBytes = 16;

template <class Layout, int kField>
inline int8x16_t codes(uint8x16_t bytes) {
  constexpr int kShift = Layout::shift(kField);
  if constexpr (kShift == 0) {
    return vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(3)));
  } else if constexpr (kShift == 6) {
    return vreinterpretq_s8_u8(vshrq_n_u8(bytes, 6));
  } else {
    return vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(bytes, kShift), vdupq_n_u8(3)));
  }
}

/// clang's vst1q_s8 is a macro, which the comma of a template's arguments would split.
inline void store(std::int8_t* to, int8x16_t bytes) {
  vst1q_s8(to, bytes);
}

/// Asks for a cache line that will be needed; it may lie beyond the matrix. Into the second-level cache: the
/// first has few requests in flight, and what is asked for here is kilobytes away.
[[gnu::always_inline]] inline void prefetch(const std::uint8_t* at) {
  __builtin_prefetch(at, 0, 2);
}

/// What tiles-inl.hpp asks of a packing.
template <class Layout>
struct TwoBits {
  static constexpr std::size_t kCols = kGroupCols;
  static void unpack(const std::uint8_t* row, std::size_t first, std::size_t count, std::size_t next,
                     std::int8_t* to) {
    for (std::size_t g = 0; g < count; ++g, to += kGroupCols) {
      const std::uint8_t* group = row + Layout::offset(first + g);
      prefetch(group + next);
      for (std::size_t half = 0; half < 2; ++half) {
        const uint8x16_t bytes = vld1q_u8(group + half * kVectorBytes);
        std::int8_t* out = to + half * kVectorBytes;
        store(out, codes<Layout, 0>(bytes));
        store(out + kFieldCols, codes<Layout, 1>(bytes));
        store(out + 2 * kFieldCols, codes<Layout, 2>(bytes));
        store(out + 3 * kFieldCols, codes<Layout, 3>(bytes));
      }
    }
  }
};

}  // namespace
