// Every compute kernel of the processor, one row each. The CPU backends (src/backend/cpu) take theirs from
// this table; tests and benchmarks iterate it.
//
// Kernel files are hermetic: compiled with their own instruction-set flags, raw pointers and plain structs
// only, no standard containers or algorithms, everything inside `namespace sterna::<isa>`
// (tools/check_symbols enforces it).
//
// Integers are exact: every ternary kernel gives the integers of kernels/reference.hpp. Floats are the same
// bits on every instruction set too: reductions use the canonical order of kernels/cpu/float_ops-inl.hpp (32
// strided partial sums, then a fixed tree), multiplication and addition are rounded separately but for the
// products of attention, which are fused everywhere, and exp is our own polynomial.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "kernels/kernel_args.hpp"
#include "platform/cpu.hpp"
#include "sterna/dtype.hpp"

namespace sterna {

/// What a thread takes of a product with many tokens at a time. Few rows, because cores do not run equally
/// fast: with equal shares the others wait for the slowest.
struct PieceShape {
  std::size_t rows = 32;
  /// Activations that are read again for every `rows` rows: those of more tokens are another piece's.
  std::size_t activation_bytes = std::numeric_limits<std::size_t>::max();
};

/// A ternary kernel.
struct TernaryKernel {
  std::string_view name;  ///< "i2_s-avx2"
  std::string_view isa;   ///< "avx2"
  DType packing;
  CpuFeatures required;
  void (*run)(const TernaryArgs& args);
  PieceShape many_tokens{};
};

/// The float operations of one instruction set. A null slot inherits the next set down the table.
struct FloatKernels {
  std::string_view isa;
  CpuFeatures required;
  /// out = x / rms(x) · weight, rms = √(mean x² + eps); in place allowed; a null weight is all ones
  void (*rms_norm)(const float* x, const float* weight, float eps, std::size_t n, float* out);
  /// Int8 activations of one token; writes zeros from n to `padded`. Infinite or NaN input gives some codes
  /// in range.
  QuantizeResult (*quantize)(const float* x, std::size_t n, std::size_t padded, std::int8_t* out);
  /// Activations in 16 bits, x = code · scale: returns the scale max|x| / 32767, at least 1e-30 / 32767;
  /// code = round_half_even(x / scale). NaN where an x is infinite or NaN.
  float (*quantize16)(const float* x, std::size_t n, std::int16_t* out);
  /// out = silu(gate) · up; out = relu(gate)² · up; gelu (tanh form)
  void (*silu_mul)(const GateArgs& args);
  void (*relu2_mul)(const GateArgs& args);
  void (*gelu_mul)(const GateArgs& args);
  /// acc += x
  void (*add)(const AddArgs& args);
  /// Rotates pairs (i, i + n/2) of a head by the angles whose cosines and sines are given, [n/2] each; in
  /// place
  void (*rope)(float* x, const float* cosines, const float* sines, std::size_t n);
  /// out = sums / activation scale · (weight scale · row scale) + bias, in this order, as the reference
  /// implementations have it
  void (*scale_rows)(const ScaleArgs& args);
  /// One per element type of the KV cache
  void (*attention_f32)(const AttentionArgs& args);
  void (*attention_f16)(const AttentionArgs& args);
  void (*attention_i8)(const AttentionArgs& args);
  void (*attention_finish)(const AttentionFinishArgs& args);
  void (*kv_append_f32)(const KvAppendArgs& args);
  void (*kv_append_f16)(const KvAppendArgs& args);
  void (*kv_append_i8)(const KvAppendArgs& args);
  /// One per dtype of a dense matrix; those of block types take activations in 16 bits
  void (*dense_f32)(const DenseArgs& args);
  void (*dense_f16)(const DenseArgs& args);
  void (*dense_bf16)(const DenseArgs& args);
  void (*dense_q8_0)(const DenseArgs& args);
  void (*dense_q6_k)(const DenseArgs& args);
  void (*dense_q4_0)(const DenseArgs& args);

  bool operator==(const FloatKernels&) const = default;
};

/// All compiled rows, fastest first. A row of this table may not be runnable here: see `supported`.
std::span<const TernaryKernel> ternary_kernels() noexcept;
std::span<const FloatKernels> float_kernels() noexcept;

inline bool supported(CpuFeatures required) {
  return (cpu_info().features & required) == required;
}

/// The kernel for a packing on this machine, or null when the packing has none (it is then repacked to I2_S,
/// which always has one). `forced` is a kernel's or an isa's name ("generic"); empty takes the first
/// supported. A forced kernel of another packing stands for its isa; an isa without a row for the packing is
/// followed by those below it. Throws InvalidArgument for an unknown name and Unsupported for one this
/// processor cannot run.
const TernaryKernel* select_ternary_kernel(DType packing, std::string_view forced = {});

/// The float operations with every null slot resolved. `forced` is an isa's name or a kernel's, as above.
FloatKernels select_float_kernels(std::string_view forced = {});

/// Fills the null slots of `kernels` from those of `next`.
void inherit_null_slots(FloatKernels& kernels, const FloatKernels& next) noexcept;

/// The slot that multiplies dense matrices of a dtype, or null when that dtype must be converted first.
using DenseSlot = void (*FloatKernels::*)(const DenseArgs&);
DenseSlot dense_slot(DType dtype) noexcept;
inline auto dense_kernel(const FloatKernels& kernels, DType dtype) noexcept {
  const DenseSlot slot = dense_slot(dtype);
  return slot == nullptr ? nullptr : kernels.*slot;
}

/// True when the dtype's dense kernel reads DenseArgs::codes.
bool takes_codes16(DType dtype) noexcept;

}  // namespace sterna
