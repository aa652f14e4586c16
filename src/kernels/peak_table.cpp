#include "kernels/peak_table.hpp"

#include <algorithm>
#include <array>

#include "kernels/isa_features.hpp"

namespace sterna {

namespace generic {
#include "kernels/cpu/peaks-inl.hpp"
}
#if defined(__x86_64__)
namespace avx2 {
#include "kernels/cpu/peaks-inl.hpp"
}
namespace avx512 {
#include "kernels/cpu/peaks-inl.hpp"
}
namespace amx {
#include "kernels/cpu/peaks-inl.hpp"
}
#elif defined(__aarch64__)
namespace neon_i8mm {
#include "kernels/cpu/peaks-inl.hpp"
}
namespace neon_dot {
#include "kernels/cpu/peaks-inl.hpp"
}
namespace neon {
#include "kernels/cpu/peaks-inl.hpp"
}
#endif

namespace {

using enum Operand;

// Products of a step: sums · products of an instruction. Tokens from which AMX and i8mm kernels multiply
// tiles are those of amx/ternary.cpp and neon_i8mm/ternary.cpp.
constexpr std::array kPeakProbes {
#if defined(__x86_64__)
  PeakProbe{"tdpbsud", "amx", kAmx, Int8, 4 * 16384, 32, 7, amx::peak_int8},
      PeakProbe{"vpdpbusd", "avx512", kAvx512, Int8, 24 * 64, 32, 1, avx512::peak_int8},
      PeakProbe{"vpmaddwd+vpaddd zmm", "avx512", kAvx512, Int16, 16 * 32, 32, 1, avx512::peak_int16},
      PeakProbe{"vmulps+vaddps zmm", "avx512", kAvx512, Float, 16 * 16, 32, 1, avx512::peak_float},
      PeakProbe{"vfmadd231ps zmm", "avx512", kAvx512, FusedFloat, 16 * 16, 32, 1, avx512::peak_fused},
      PeakProbe{"vpmaddubsw+vpaddw", "avx2", kAvx2, Int8, 8 * 32, 16, 1, avx2::peak_int8},
      PeakProbe{"vpmaddubsw+vpmaddwd+vpaddd", "avx2", kAvx2, Int8, 8 * 32, 32, 0, avx2::peak_int8_widened},
      PeakProbe{"vpmaddwd+vpaddd", "avx2", kAvx2, Int16, 8 * 16, 32, 1, avx2::peak_int16},
      PeakProbe{"vmulps+vaddps", "avx2", kAvx2, Float, 8 * 8, 32, 1, avx2::peak_float},
      PeakProbe{"vfmadd231ps", "avx2", kAvx2, FusedFloat, 8 * 8, 32, 1, avx2::peak_fused},
#elif defined(__aarch64__)
  PeakProbe{"smmla", "neon_i8mm", kI8mm, Int8, 16 * 32, 32, 2, neon_i8mm::peak_int8},
      PeakProbe{"sdot", "neon_dot", kNeonDot, Int8, 16 * 16, 32, 1, neon_dot::peak_int8},
      PeakProbe{"smlal+smlal2", "neon", kNeon, Int8, 16 * 16, 16, 1, neon::peak_int8},
      PeakProbe{"smull+smull2+addp+add", "neon", kNeon, Int16, 16 * 8, 32, 1, neon::peak_int16},
      PeakProbe{"fmul+fadd", "neon", kNeon, Float, 16 * 4, 32, 1, neon::peak_float},
      PeakProbe{"fmla", "neon", kNeon, FusedFloat, 16 * 4, 32, 1, neon::peak_fused},
#endif
      PeakProbe{"C int8", "generic", 0, Int8, 2048, 32, 1, generic::peak_int8},
      PeakProbe{"C int16", "generic", 0, Int16, 1024, 32, 1, generic::peak_int16},
      PeakProbe{"C float", "generic", 0, Float, 512, 32, 1, generic::peak_float},
      PeakProbe{"C fused float", "generic", 0, FusedFloat, 128, 32, 1, generic::peak_fused},
};

}  // namespace

std::span<const PeakProbe> peak_probes() noexcept {
  return kPeakProbes;
}

const PeakProbe* find_peak(std::string_view isa, Operand operand, std::size_t tokens) noexcept {
  const auto first = std::ranges::find_if(kPeakProbes, [&](const PeakProbe& row) { return row.isa == isa; });
  const auto found = std::find_if(first, kPeakProbes.end(), [&](const PeakProbe& row) {
    return row.operand == operand && row.from_tokens != 0 && row.from_tokens <= tokens;
  });
  return found == kPeakProbes.end() ? nullptr : &*found;
}

bool peak_result_right(const PeakProbe& probe, std::size_t steps, std::int8_t code, std::int8_t activation,
                       std::uint64_t result) noexcept {
  const std::uint64_t expected = steps * probe.products * static_cast<std::uint64_t>(code * activation);
  const std::uint64_t mask = (std::uint64_t{1} << probe.bits) - 1;
  return ((expected ^ result) & mask) == 0;
}

}  // namespace sterna
