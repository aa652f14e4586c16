// The registry of backends: one row each, and what a row provides.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernel_table.hpp"
#include "platform/thread_pool.hpp"
#include "sterna/backend.hpp"
#include "sterna/tensor.hpp"
#include "tensor/ops/level.hpp"

namespace sterna {

/// The ternary packings that have kernels.
inline constexpr std::array kTernaryTypes{DType::I2_S, DType::TQ2_0, DType::TQ1_0};
/// The types of dense matrices that have kernels.
inline constexpr std::array kDenseTypes{DType::F32,  DType::F16,  DType::BF16,
                                        DType::Q8_0, DType::Q6_K, DType::Q4_0};

/// Everything the engine calls. Each slot belongs to an Operation; null: not provided.
struct Kernels {
  FloatKernels floats{};
  std::array<const TernaryKernel*, kTernaryTypes.size()> ternary{};
  std::optional<ops::Level> elementwise;  ///< of tensors
  std::optional<ops::Level> reduction;
  bool operator==(const Kernels&) const = default;
};

/// The kernel for a packing, or null.
const TernaryKernel* ternary_kernel(const Kernels& kernels, DType packing) noexcept;

/// Copies the slots of an operation (for products, those of one dtype); false when one of them is null.
bool copy_slots(Operation operation, DType dtype, const Kernels& from, Kernels& to);

/// A backend. Priorities are fixed for the kinds there may be: MLX 100, CUDA 90, Metal 80, SIMD 60, scalar
/// 40; a device's own memory goes before the processor's, and wider before narrower.
struct Backend {
  std::string_view name;
  int priority;
  std::string_view summary;
  /// Where it computes: tensors for it are Tensor::empty(shape, dtype, {device}). Weights are used in the
  /// file's pages by a backend of DeviceKind::Cpu, and copied to any other.
  DeviceKind device;
  /// Why it cannot run on this machine; empty when it can.
  std::string (*why_not)();
  /// Its ways to compute here, the one it prefers first; not empty when it is available.
  std::vector<std::string_view> (*variants)();
  /// Fills the slots of an operation. Throws Unsupported with the reason, or leaves a slot null, for what it
  /// cannot compute.
  void (*provide)(std::string_view variant, Operation operation, Kernels& kernels);
  /// Bytes/s that it reads from memory, measured.
  double (*read_bandwidth)(ThreadPool& pool);
};

/// Every backend of this build, by priority.
std::span<const Backend> backend_table() noexcept;

/// The row of a name. Throws InvalidArgument with the known names.
const Backend& find_backend(std::span<const Backend> table, std::string_view name);
/// Throws Unsupported, with the reason, unless the backend can run here.
void require_available(const Backend& backend);

}  // namespace sterna
