// Converting tensors between dtypes: by which rounding, in which memory, and how many bytes it moved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "sterna/tensor.hpp"

namespace sterna {

/// What becomes of a value that the new dtype cannot hold. Wherever it can hold the value, both give it.
///
///                        Fast: the rules of Tensor::to        Precise
///   to a float type      nearest, half to even; beyond its range ±infinity; NaN stays NaN (in both)
///   float → integer      towards 0, saturated                 nearest, half to even; saturated
///   integer → integer    modulo 2^bits, as NumPy              saturated
///   to Bool              ≠ 0, NaN included                    the same
///   float → packed       towards 0, saturated                 nearest, half to even; saturated
///   integer → packed     saturated                            the same
///
/// NaN becomes 0 where there is no NaN. Binary1 has no 0: every negative number is −1, all others are +1.
/// Bool counts as the integers 0 and 1.
enum class ConversionQuality : std::uint8_t { Fast, Precise };

/// Where the result lies, and what memory the conversion takes.
enum class ConversionStrategy : std::uint8_t {
  /// The first of these that can be done: ZeroCopy; InPlace where elements keep their size; Streaming where
  /// the source is mapped from a file; Standard.
  Auto,
  /// The result shares the source's storage, and nothing is read or written. Where every value has the same
  /// bits in both dtypes: equal dtypes, and Bool as U8 or I8. Strides and views are kept.
  ZeroCopy,
  /// The result takes the place of the source, whose elements are overwritten from the first to the last. The
  /// tensor must be given up (`std::move`) by the only handle on its storage, the storage be the library's
  /// own (Storage::Owner::Pool), the tensor contiguous, its dtype plain, and the new elements no larger. The
  /// storage keeps its size.
  InPlace,
  /// A new tensor, made from `chunk_bytes` of the source at a time, in row-major order, by one thread. Memory
  /// besides the result is at most one such chunk; of a contiguous source that is mapped, each chunk's pages
  /// are given back to the system after it.
  Streaming,
  /// A new tensor, in the order that reads memory best, by all threads of the engine.
  Standard,
};
std::string_view to_string(ConversionStrategy strategy) noexcept;  ///< "zero-copy", "in-place", …

struct ConversionOptions {
  ConversionStrategy strategy = ConversionStrategy::Auto;
  ConversionQuality quality = ConversionQuality::Fast;
  std::size_t chunk_bytes = std::size_t{1} << 20;  ///< of Streaming: stays in L2 with its result
};

/// How often each strategy ran, and the bytes of the results: `moved` were written, `shared` are the storage
/// of the source and were not.
struct ConversionCounters {
  std::uint64_t zero_copy = 0;
  std::uint64_t in_place = 0;
  std::uint64_t streaming = 0;
  std::uint64_t standard = 0;
  std::uint64_t bytes_moved = 0;
  std::uint64_t bytes_shared = 0;
};

/// Of the whole process since it started: all engines, and Tensor::to (which is zero-copy or standard).
ConversionCounters conversion_counters() noexcept;

/// The strategy that `options` come to for this tensor, if it is given up and `x` is its only handle. Throws
/// as ConversionEngine::convert does, with the reason.
ConversionStrategy conversion_strategy(const Tensor& x, DType dtype, const ConversionOptions& options = {});

/// Converts tensors with a team of threads. Between any two plain or packed dtypes; the block dtypes (Q4_0 …)
/// are Unsupported. The elements are the same bits whatever the strategy and the number of threads. Any
/// number of threads may use one engine.
///
/// Throws Unsupported (dtype), InvalidArgument (a strategy that was asked for and cannot be followed, with
/// the reason), Limit (memory), Format (a packed byte that holds no value of its dtype). Nothing is
/// overwritten before all tensors of a call are known to be convertible.
class ConversionEngine {
 public:
  /// Of this many threads, the caller included; 0: one per physical core.
  explicit ConversionEngine(unsigned threads = 1);
  ~ConversionEngine();
  ConversionEngine(const ConversionEngine&) = delete;
  ConversionEngine& operator=(const ConversionEngine&) = delete;

  Tensor convert(Tensor x, DType dtype, const ConversionOptions& options = {});
  /// All of them, dealt to the threads together; an error names the tensor by its place.
  std::vector<Tensor> convert(std::vector<Tensor> tensors, DType dtype,
                              const ConversionOptions& options = {});

  /// The elements in row-major order, a chunk at a time: sink(chunk, first) gets the elements from `first` on
  /// as a tensor of shape (n,), which is overwritten when it returns. For results that need not be in memory
  /// as a whole. Counts as streaming; of `options`, the strategy is ignored. What `sink` throws ends it.
  void stream(const Tensor& x, DType dtype,
              const std::function<void(const Tensor& chunk, std::int64_t first)>& sink,
              const ConversionOptions& options = {});

  /// Of this engine alone.
  ConversionCounters counters() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sterna
