// Random numbers with the same bits on every machine, and for any number of threads.
//
// Philox 4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3") turns a
// counter of 128 bits and a key of 64 bits into 128 random bits, so that a number depends on its place alone
// and not on those drawn before. The key is the seed; the counter is the place of an element, the number of
// the draw (each call of a function that draws is one) and, for numbers that may be rejected, the attempt.
// Floats are made of integers by exact steps, and by polynomials and square roots of additions and
// multiplications that no compiler fuses, so nothing depends on a C library or an instruction set.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "sterna/tensor.hpp"

namespace sterna {

/// 128 random bits for a counter and a key, both as 32-bit words from the lowest.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) noexcept;

/// Draws tensors. `seed` and `draws()` are all its state: a generator made of both goes on where another was.
/// One thread at a time; after 2^32 draws Error(Limit).
///
/// Results are new contiguous tensors. Arguments outside their range are an Error(InvalidArgument), dtypes
/// without a meaning for the function an Error(Unsupported).
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t draws = 0) noexcept : seed_(seed), draws_(draws) {}
  std::uint64_t seed() const noexcept { return seed_; }
  std::uint64_t draws() const noexcept { return draws_; }

  /// Evenly distributed in [low, high), finite: low + (high − low)·u, where u is a multiple of 2^−p with the
  /// p bits of the dtype's mantissa (53, 24, 11, 8), rounded; `low` is returned where rounding gives `high`.
  Tensor uniform(const Shape& shape, double low = 0, double high = 1, DType dtype = DType::F32);
  /// Normally distributed: mean + deviation·z, z by Box and Muller (1958) in double from 53 bits, so that
  /// |z| ≤ 8.58; rounded once to the dtype.
  Tensor normal(const Shape& shape, double mean = 0, double deviation = 1, DType dtype = DType::F32);
  /// Whole numbers of [low, high), each exactly as likely (Lemire 2019, "Fast random integer generation in an
  /// interval"). An integer dtype that holds all of them.
  Tensor integers(const Shape& shape, std::int64_t low, std::int64_t high, DType dtype = DType::I64);
  /// Bool: true with this probability, to 2^−53.
  Tensor bernoulli(const Shape& shape, double probability = 0.5);

  /// 0 … n − 1 in random order, each order as likely (Fisher & Yates, Durstenfeld 1964); I64.
  Tensor permutation(std::int64_t n);
  /// Brings the entries of an axis into random order.
  void shuffle_(const Tensor& tensor, std::int64_t axis = 0);
  /// Indices in [0, n), I64. Without replacement they are different, and at most n. With weights (one axis of
  /// n finite numbers ≥ 0, not all 0) each is as likely as its share; without replacement, as if they were
  /// drawn one after the other among those left (Efraimidis & Spirakis 2006), of which enough must have a
  /// weight.
  Tensor choice(std::int64_t n, const Shape& shape, bool replace = true,
                const std::optional<Tensor>& weights = {});

 private:
  std::uint32_t next_draw();

  std::uint64_t seed_;
  std::uint64_t draws_;
};

}  // namespace sterna
