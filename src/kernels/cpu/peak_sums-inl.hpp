// What the probes of vector units share: doing a step for each of several sums, and adding their lanes up.
//
// Included inside namespace sterna::<isa>, after <cstdint> and <cstddef>.

namespace {

/// `steps` times add(sum) for each sum.
template <class Vector, int kSums, class Add>
[[gnu::always_inline]] inline void repeat(std::size_t steps, Vector (&sums)[kSums], Add add) {
  for (std::size_t s = 0; s < steps; ++s) {
#pragma GCC unroll 24
    for (int i = 0; i < kSums; ++i) add(sums[i]);
  }
}

/// Σ of the lanes of all sums.
template <class Lane, class Vector, int kSums>
std::uint64_t total(const Vector (&sums)[kSums]) {
  Lane lanes[kSums * (sizeof(Vector) / sizeof(Lane))];
  __builtin_memcpy(lanes, sums, sizeof sums);
  std::uint64_t all = 0;
  for (const Lane lane : lanes) all += static_cast<std::uint64_t>(static_cast<std::int64_t>(lane));
  return all;
}

}  // namespace
