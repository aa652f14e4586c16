#include "kernels/screen_kernels.hpp"

#include <algorithm>
#include <array>

#include "kernels/kernel_table.hpp"

namespace sterna {

#if defined(__x86_64__)
namespace avx512 {
void screen(const ScreenArgs& args);
}
namespace avx2 {
void screen(const ScreenArgs& args);
}
#elif defined(__aarch64__)
namespace neon {
void screen(const ScreenArgs& args);
}
#endif
namespace generic {
void screen(const ScreenArgs& args);
}

namespace {

constexpr std::array kScreenKernels {
#if defined(__x86_64__)
  ScreenKernel{"avx512",
               CpuFeature::Avx512 | CpuFeature::Avx512Vnni | static_cast<CpuFeatures>(CpuFeature::Avx2),
               avx512::screen},
      ScreenKernel{"avx2", static_cast<CpuFeatures>(CpuFeature::Avx2), avx2::screen},
#elif defined(__aarch64__)
  ScreenKernel{"neon", static_cast<CpuFeatures>(CpuFeature::Neon), neon::screen},
#endif
      ScreenKernel{"generic", 0, generic::screen},
};

}  // namespace

std::span<const ScreenKernel> screen_kernels() noexcept {
  return kScreenKernels;
}

const ScreenKernel& screen_kernel_of(std::string_view isa) {
  // The float table has the order of the instruction sets; this one has a row for some of them.
  const auto sets = float_kernels();
  const auto first = std::ranges::find(sets, isa, &FloatKernels::isa);
  for (auto set = first; set != sets.end(); ++set) {
    const auto row = std::ranges::find(kScreenKernels, set->isa, &ScreenKernel::isa);
    if (row != kScreenKernels.end() && supported(row->required)) return *row;
  }
  return kScreenKernels.back();
}

}  // namespace sterna
