// How the rows of a matrix are read when one token meets them, which is bound by reading: as several streams
// far from each other, each asked for ahead. How many (kRowStreams), and how far (kReadAhead bytes, and
// kReadFurther into the second-level cache; 0 leaves it to the processor), is the instruction set's and
// stands in its simd.hpp.
//
// Included inside namespace sterna::<isa>, after simd.hpp.

namespace {

/// Asks for the cache lines of the `bytes` bytes that lie so much further; they may lie beyond the matrix. A
/// step of 68 bytes asks for one, and passes over one in 17: the two distances are not a whole number of
/// lines apart, so that what one passes over the other asks for.
[[gnu::always_inline]] inline void read_ahead(const std::byte* at, std::size_t bytes) {
  constexpr std::size_t kLine = 64;
  for (std::size_t line = 0; line == 0 || line + kLine / 2 < bytes; line += kLine) {
    if constexpr (kReadFurther > 0) __builtin_prefetch(at + kReadFurther + line, 0, 2);
    if constexpr (kReadAhead > 0) __builtin_prefetch(at + kReadAhead + kLine / 2 + line);
  }
}

/// work.operator()<kRows>(row, step) for every row of [begin, end): kRows rows from `row` on, `step` apart.
template <int kStreams = kRowStreams, class Function>
inline void rows_in_streams(std::size_t begin, std::size_t end, Function work) {
  const std::size_t step = (end - begin) / kStreams;
  for (std::size_t row = begin; row < begin + step; ++row) work.template operator()<kStreams>(row, step);
  for (std::size_t row = begin + kStreams * step; row < end; ++row) work.template operator()<1>(row, 0);
}

}  // namespace
