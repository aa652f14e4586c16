#include "kernels/kernel_table.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "kernels/isa_features.hpp"
#include "sterna/error.hpp"

namespace sterna {

namespace generic {
#include "kernels/cpu/declarations-inl.hpp"
}
#if defined(__x86_64__)
namespace avx2 {
#include "kernels/cpu/declarations-inl.hpp"
}
namespace avx512 {
#include "kernels/cpu/declarations-inl.hpp"
}
namespace amx {
#include "kernels/cpu/declarations-inl.hpp"
}
#elif defined(__aarch64__)
namespace neon_i8mm {
#include "kernels/cpu/declarations-inl.hpp"
}
namespace neon_dot {
#include "kernels/cpu/declarations-inl.hpp"
}
namespace neon {
#include "kernels/cpu/declarations-inl.hpp"
}
#endif

namespace {

#if defined(__x86_64__)
// Four panels of 16: 9 % more tokens/s in a prompt than with two.
constexpr PieceShape kVnniPiece{.rows = 64};
// One panel of 16 rows, whose codes of 2560 columns fit the first-level cache, and of the activations half
// the second-level cache of a Sapphire Rapids. With 700 KiB of them a prompt of 512 had 7 % more tokens/s
// than with 32 rows and all of them; both make two pieces of 2560 columns.
constexpr PieceShape kAmxPiece{.rows = 16, .activation_bytes = std::size_t{1} << 20};
#endif

constexpr std::array kTernaryKernels {
#if defined(__x86_64__)
  TernaryKernel{"i2_s-amx", "amx", DType::I2_S, kAmx, amx::ternary_i2_s, kAmxPiece},
      TernaryKernel{"tq2_0-amx", "amx", DType::TQ2_0, kAmx, amx::ternary_tq2_0, kAmxPiece},
      TernaryKernel{"tq1_0-amx", "amx", DType::TQ1_0, kAmx, amx::ternary_tq1_0, kAmxPiece},
      TernaryKernel{"i2_s-avx512", "avx512", DType::I2_S, kAvx512, avx512::ternary_i2_s, kVnniPiece},
      TernaryKernel{"tq2_0-avx512", "avx512", DType::TQ2_0, kAvx512, avx512::ternary_tq2_0, kVnniPiece},
      TernaryKernel{"tq1_0-avx512", "avx512", DType::TQ1_0, kAvx512, avx512::ternary_tq1_0, kVnniPiece},
      TernaryKernel{"i2_s-avx2", "avx2", DType::I2_S, kAvx2, avx2::ternary_i2_s},
      TernaryKernel{"tq2_0-avx2", "avx2", DType::TQ2_0, kAvx2, avx2::ternary_tq2_0},
      TernaryKernel{"tq1_0-avx2", "avx2", DType::TQ1_0, kAvx2, avx2::ternary_tq1_0},
#elif defined(__aarch64__)
  TernaryKernel{"i2_s-neon_i8mm", "neon_i8mm", DType::I2_S, kI8mm, neon_i8mm::ternary_i2_s},
      TernaryKernel{"tq2_0-neon_i8mm", "neon_i8mm", DType::TQ2_0, kI8mm, neon_i8mm::ternary_tq2_0},
      TernaryKernel{"i2_s-neon_dot", "neon_dot", DType::I2_S, kNeonDot, neon_dot::ternary_i2_s},
      TernaryKernel{"tq2_0-neon_dot", "neon_dot", DType::TQ2_0, kNeonDot, neon_dot::ternary_tq2_0},
      TernaryKernel{"tq1_0-neon_dot", "neon_dot", DType::TQ1_0, kNeonDot, neon_dot::ternary_tq1_0},
      TernaryKernel{"i2_s-neon", "neon", DType::I2_S, kNeon, neon::ternary_i2_s},
      TernaryKernel{"tq2_0-neon", "neon", DType::TQ2_0, kNeon, neon::ternary_tq2_0},
      TernaryKernel{"tq1_0-neon", "neon", DType::TQ1_0, kNeon, neon::ternary_tq1_0},
#endif
      TernaryKernel{"i2_s-generic", "generic", DType::I2_S, 0, generic::ternary_i2_s},
      TernaryKernel{"tq2_0-generic", "generic", DType::TQ2_0, 0, generic::ternary_tq2_0},
      TernaryKernel{"tq1_0-generic", "generic", DType::TQ1_0, 0, generic::ternary_tq1_0},
};

#define STERNA_FLOAT_KERNELS(isa, required)                                                                  \
  FloatKernels {                                                                                             \
#isa, required, isa::rms_norm, isa::quantize, isa::quantize16, isa::silu_mul, isa::relu2_mul,            \
        isa::gelu_mul, isa::add, isa::rope, isa::scale_rows, isa::attention_f32, isa::attention_f16,         \
        isa::attention_i8, isa::attention_finish, isa::kv_append_f32, isa::kv_append_f16, isa::kv_append_i8, \
        isa::dense_f32, isa::dense_f16, isa::dense_bf16, isa::dense_q8_0, isa::dense_q6_k, isa::dense_q4_0   \
  }
/// A set that adds nothing to the float operations of the next one.
constexpr FloatKernels inherited(std::string_view isa, CpuFeatures required) {
  FloatKernels kernels{};
  kernels.isa = isa;
  kernels.required = required;
  return kernels;
}
constexpr std::array kFloatKernels {
#if defined(__x86_64__)
  inherited("amx", kAmx), STERNA_FLOAT_KERNELS(avx512, kAvx512), STERNA_FLOAT_KERNELS(avx2, kAvx2),
#elif defined(__aarch64__)
  inherited("neon_i8mm", kI8mm), inherited("neon_dot", kNeonDot), STERNA_FLOAT_KERNELS(neon, kNeon),
#endif
      STERNA_FLOAT_KERNELS(generic, 0),
};
#undef STERNA_FLOAT_KERNELS

/// What was asked for: nothing, or an isa and perhaps one kernel of it.
struct Choice {
  std::string_view isa;
  std::string_view kernel;
};

void require_supported(std::string_view name, CpuFeatures required) {
  if (supported(required)) return;
  std::string missing;
  for (const std::string& feature : feature_names(required & ~cpu_info().features)) {
    missing += (missing.empty() ? "" : " ") + feature;
  }
  throw Error(ErrorCategory::Unsupported, "this processor cannot run the kernel",
              {{"found", std::string(name)}, {"missing", missing}});
}

[[noreturn]] void throw_unknown(std::string_view name) {
  std::string known;
  for (const FloatKernels& row : kFloatKernels) known += std::string(row.isa) + " ";
  for (const TernaryKernel& row : kTernaryKernels) known += std::string(row.name) + " ";
  known.pop_back();
  throw Error(ErrorCategory::InvalidArgument, "unknown kernel",
              {{"found", std::string(name)}, {"expected", known}});
}

Choice choose(std::string_view forced) {
  if (forced.empty()) return {};
  for (const TernaryKernel& row : kTernaryKernels) {
    if (row.name != forced && row.isa != forced) continue;
    require_supported(forced, row.required);
    return {row.isa, row.name == forced ? row.name : std::string_view{}};
  }
  throw_unknown(forced);
}

/// The rows of a table from the first of `isa` on; all of them where isa is empty.
template <class Table>
auto from_isa(const Table& table, std::string_view isa) {
  const auto first =
      isa.empty() ? table.begin()
                  : std::find_if(table.begin(), table.end(), [&](const auto& row) { return row.isa == isa; });
  return std::span(first, table.end());
}

template <class... Slots>
void inherit(FloatKernels& kernels, const FloatKernels& next, Slots... slots) {
  ((kernels.*slots = kernels.*slots == nullptr ? next.*slots : kernels.*slots), ...);
}

}  // namespace

std::span<const TernaryKernel> ternary_kernels() noexcept {
  return kTernaryKernels;
}

std::span<const FloatKernels> float_kernels() noexcept {
  return kFloatKernels;
}

const TernaryKernel* select_ternary_kernel(DType packing, std::string_view forced) {
  const Choice choice = choose(forced);
  for (const TernaryKernel& row : kTernaryKernels) {
    if (row.packing == packing && row.name == choice.kernel) return &row;
  }
  for (const TernaryKernel& row : from_isa(kTernaryKernels, choice.isa)) {
    if (row.packing == packing && supported(row.required)) return &row;
  }
  return nullptr;
}

FloatKernels select_float_kernels(std::string_view forced) {
  const Choice choice = choose(forced);
  FloatKernels kernels{};
  for (const FloatKernels& row : from_isa(kFloatKernels, choice.isa)) {
    if (!supported(row.required)) continue;
    if (kernels.isa.empty()) {
      kernels = row;
    } else {
      inherit_null_slots(kernels, row);
    }
  }
  return kernels;
}

void inherit_null_slots(FloatKernels& kernels, const FloatKernels& next) noexcept {
  using K = FloatKernels;
  inherit(kernels, next, &K::rms_norm, &K::quantize, &K::quantize16, &K::silu_mul, &K::relu2_mul,
          &K::gelu_mul, &K::add, &K::rope, &K::scale_rows, &K::attention_f32, &K::attention_f16,
          &K::attention_i8, &K::attention_finish, &K::kv_append_f32, &K::kv_append_f16, &K::kv_append_i8,
          &K::dense_f32, &K::dense_f16, &K::dense_bf16, &K::dense_q8_0, &K::dense_q6_k, &K::dense_q4_0);
}

DenseSlot dense_slot(DType dtype) noexcept {
  switch (dtype) {
    case DType::F32:
      return &FloatKernels::dense_f32;
    case DType::F16:
      return &FloatKernels::dense_f16;
    case DType::BF16:
      return &FloatKernels::dense_bf16;
    case DType::Q8_0:
      return &FloatKernels::dense_q8_0;
    case DType::Q6_K:
      return &FloatKernels::dense_q6_k;
    case DType::Q4_0:
      return &FloatKernels::dense_q4_0;
    default:
      return nullptr;
  }
}

bool takes_codes16(DType dtype) noexcept {
  return dtype == DType::Q8_0 || dtype == DType::Q6_K || dtype == DType::Q4_0;
}

}  // namespace sterna
