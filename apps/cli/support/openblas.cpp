#include "support/openblas.hpp"

#include <dlfcn.h>

#include <string_view>

#include "platform/cpu.hpp"

namespace sterna::cli {

Settings openblas_settings() {
  using CoreName = char* (*)();
  const auto core_name = reinterpret_cast<CoreName>(::dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  // The core of which every x86-64 processor is one: what OpenBLAS falls back to.
  if (core_name == nullptr || std::string_view(core_name()) != "Prescott") return {};
  const CpuFeatures features = cpu_info().features;
  const auto has = [&](CpuFeature feature) { return (features & static_cast<CpuFeatures>(feature)) != 0; };
  if (has(CpuFeature::Avx512)) return {{"OPENBLAS_CORETYPE", "SkylakeX"}};
  if (has(CpuFeature::Avx2)) return {{"OPENBLAS_CORETYPE", "Haswell"}};
  return {};
}

}  // namespace sterna::cli
