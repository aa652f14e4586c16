// A linear layer with ternary weights and int8 activations, as a layer of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "sterna/dtype.hpp"
#include "sterna/tensor.hpp"

namespace sterna {

/// What shares a scale when float weights are made ternary.
enum class WeightGrain : std::uint8_t {
  Tensor,  ///< all weights: BitNet's
  Row,     ///< the weights of an output
  Group,   ///< so many consecutive weights of a row
};

struct BitLinearOptions {
  WeightGrain grain = WeightGrain::Tensor;  ///< of float weights; packed ones have theirs
  std::uint32_t group = 128;                ///< weights, for WeightGrain::Group; a divisor of the inputs
  std::uint32_t i2s_group = 128;            ///< of packed I2_S bytes: 128, or 64 as written on ARM
  std::string backend{};                    ///< as in BackendOptions
  std::string kernel{};
  unsigned threads = 0;  ///< 0 = physical cores; layers of the same number share their threads
};

/// y = x·Wᵀ (+ b), W[out, in] = trit · scale (Ma et al. 2024, arXiv:2402.17764). With the activations of a
/// token in int8, s = 127 / max(max|x|, 1e-5) and q = clamp(round_half_even(x · s), −128, 127):
///
///   y[r] = (Σ_k trit[r, k] · q[k]) / s · scale[r] (+ b[r])                         one scale a tensor or a
///   row y[r] = (Σ_g (Σ_{k in g} trit[r, k] · q[k]) · scale[r, g]) / s (+ b[r])         one a group
///
/// The sums over k are integers, exact. Each other operation is rounded to float32, in the order written,
/// groups from the first to the last: the same bits on every instruction set, for any number of threads and
/// whatever tokens are computed together, and those of a model's own forward pass with the same weights.
///
/// Float weights become ternary at the first forward: scale = max(mean|W|, 1e-5), rounded to the weights'
/// dtype as published checkpoints are, trit = the sign of W where |W| > scale / 2. What the kernels read is
/// kept in a cache of the process, keyed by the weights' content, shape and grain: layers of equal weights
/// share it, and it is made anew when it was given up for memory (docs/pressure.md). Packed weights stay with
/// their layers, which share them too. Kernels read 2 bits a weight; groups are filled up to 128 weights.
///
/// Any number of threads may call forward; they take turns with the layer's threads.
class BitLinear {
 public:
  /// F32, F16 or BF16 weights [out, in]; their storage is shared, and read at the first forward and whenever
  /// they are quantised anew. `bias` [out], any float type, is copied. Throws InvalidArgument for other
  /// shapes, dtypes or a group that does not divide the inputs, and what choose_backends throws.
  explicit BitLinear(Tensor weights, const std::optional<Tensor>& bias = {}, BitLinearOptions options = {});

  /// From the bytes of a ternary type (I2_S, TQ1_0, TQ2_0, IQ1_BN, IQ2_BN), which are not needed afterwards.
  /// A type with scales of blocks that differ has those as groups. Throws Format for bytes that are no such
  /// matrix.
  static BitLinear packed(DType dtype, std::span<const std::byte> bytes, std::int64_t out, std::int64_t in,
                          const std::optional<Tensor>& bias = {}, BitLinearOptions options = {});
  /// From a stream of any codec (docs/packings.md), which says its own shape.
  static BitLinear encoded(std::span<const std::byte> stream, const std::optional<Tensor>& bias = {},
                           BitLinearOptions options = {});

  BitLinear(BitLinear&&) noexcept;
  BitLinear& operator=(BitLinear&&) noexcept;
  ~BitLinear();

  /// x [..., in] of any float type gives F32 [..., out], in memory of the default pool. NaN or infinite
  /// inputs give some numbers. Throws Mismatch for another last axis, InvalidArgument for another dtype;
  /// Format (`row`, `column`) when a float weight is not finite.
  Tensor forward(const Tensor& x) const;
  /// The same into `out`, F32, contiguous and apart from x. With contiguous F32 `x`, nothing is allocated but
  /// working memory of the default pool, which keeps it for the next call.
  void forward_into(const Tensor& x, const Tensor& out) const;

  std::int64_t in_features() const noexcept;
  std::int64_t out_features() const noexcept;
  /// Whether the kernels' form of the weights is there.
  bool ready() const;
  /// To be called after writing to the storage of float weights: the next forward reads them again.
  void weights_changed();

 private:
  struct Impl;
  explicit BitLinear(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

/// The cache of the process.
struct BitLinearCache {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t limit = 0;  ///< bytes; beyond it the least recently used go
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t evictions = 0;  ///< for the limit, and for memory pressure
};
BitLinearCache bitlinear_cache();
/// 1 GiB at first. A layer whose weights alone are larger quantises them at every forward.
void set_bitlinear_cache_limit(std::uint64_t bytes);

}  // namespace sterna
