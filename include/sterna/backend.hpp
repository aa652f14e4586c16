// What computes: the backends of this machine, how fast they are, and which one is chosen for what.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/dtype.hpp"

namespace sterna {

/// What a backend computes.
enum class Operation : std::uint8_t {
  Ternary,      ///< int8 activations by ternary weights, exact: Σ trit · q
  Dense,        ///< activations by float weights or those of 4 to 8 bits
  Attention,    ///< softmax(q·Kᵀ/√d)·V over the KV cache, and writing to the cache
  Elementwise,  ///< act(gate)·up, x + y, RoPE, scaling; the element-wise operations of tensors
  Reduction,    ///< RMS norm; the reductions of tensors
  Quantize,     ///< activations to int8 and int16
};
std::string_view to_string(Operation operation) noexcept;  ///< "ternary", "dense", …

/// Tokens that are computed together.
enum class Batch : std::uint8_t {
  One,   ///< 1: a matrix by a vector, bound by reading the weights
  Few,   ///< 2 to 8
  Many,  ///< 9 and more: a prompt, bound by arithmetic
};
std::string_view to_string(Batch batch) noexcept;  ///< "one", "few", "many"

/// Measured with the backend's own kernels on all threads of a pool; never a figure from a data sheet.
struct Capabilities {
  double read_bytes = 0;   ///< bytes/s from memory, over a buffer much larger than the caches
  double integer_ops = 0;  ///< int8 multiplications and additions a second: 2 · rows · cols · tokens of a
                           ///< ternary product of 32 tokens, the weights in cache
  double float_ops = 0;    ///< the same of a float32 product
};

struct BackendInfo {
  std::string name;  ///< "simd"
  int priority = 0;  ///< the highest goes first
  std::string summary;
  bool available = false;
  std::string reason;  ///< why it is not available
  /// Its ways to compute on this machine, the one it prefers first: instruction sets of a CPU ("avx512").
  std::vector<std::string> variants;
  std::optional<Capabilities> capabilities;  ///< when measured on this machine before
};

/// Every backend that this library was built with, by priority.
std::vector<BackendInfo> backends();

/// Measures a backend, which takes about a second, and remembers the result in the user's cache folder
/// (`$XDG_CACHE_HOME/sterna/backends`). `threads` = 0 takes the physical cores. Throws InvalidArgument for an
/// unknown name, Unsupported for a backend that is not available.
Capabilities measure_capabilities(std::string_view backend, unsigned threads = 0);

/// How a backend is chosen where several can compute an operation. Whatever is chosen, results are the same
/// bits.
struct StrategyInfo {
  std::string name;
  std::string summary;
};
/// highest-priority (the default), best-performance, low-latency, low-memory.
std::vector<StrategyInfo> backend_strategies();

struct BackendOptions {
  /// A backend's name forces it, a strategy's name asks for that; empty takes `STERNA_BACKEND`, then
  /// highest-priority. An operation that the forced backend lacks goes to the next one, with a warning.
  std::string backend{};
  /// An instruction set's or a kernel's name ("avx2", "i2_s-avx2") forces it; empty takes `STERNA_KERNEL`
  /// unless a backend is forced, then what the strategy says.
  std::string kernel{};
  /// Bytes of weights read for a token: whether they fit the last-level cache is part of what is timed. 0: as
  /// if they did not.
  std::uint64_t weight_bytes = 0;
  unsigned threads = 0;  ///< that the candidates are timed with; 0 = physical cores
};

/// What computes one operation for one class of batches.
struct BackendChoice {
  Operation operation;
  DType dtype;  ///< of the matrix, for products; F32 for the other operations
  Batch batch;  ///< One stands for all batches where an operation works token by token
  std::string backend;
  std::string variant;
  std::string why;  ///< with the backends that were passed over, and for what reason
};

/// What Model::load would choose. The strategies that time do so once for a machine, a version of Sterna and
/// a number of threads, in one to three seconds, and remember it as measure_capabilities does. Throws
/// InvalidArgument for an unknown name (with the known ones), Unsupported for a forced backend or kernel that
/// this machine does not have (with the reason).
std::vector<BackendChoice> choose_backends(const BackendOptions& options = {});

/// Chooses, and has the process's tensor operations run there from now on; until then they take SIMD. Returns
/// the choices, as choose_backends.
std::vector<BackendChoice> use_backend(const BackendOptions& options = {});

}  // namespace sterna
