// What each instruction set of the kernels needs of a processor; for the tables of this layer.
#pragma once

#include "platform/cpu.hpp"

namespace sterna {

#if defined(__x86_64__)
inline constexpr auto kAvx2 = static_cast<CpuFeatures>(CpuFeature::Avx2);
// One set for all that AVX-512 kernels use: every server processor since 2019 has VNNI.
inline constexpr auto kAvx512 = kAvx2 | (CpuFeature::Avx512 | CpuFeature::Avx512Vnni);
inline constexpr auto kAmx = kAvx512 | static_cast<CpuFeatures>(CpuFeature::AmxInt8);
#elif defined(__aarch64__)
inline constexpr auto kNeon = static_cast<CpuFeatures>(CpuFeature::Neon);
inline constexpr auto kNeonDot = kNeon | static_cast<CpuFeatures>(CpuFeature::NeonDot);
inline constexpr auto kI8mm = kNeonDot | static_cast<CpuFeatures>(CpuFeature::I8mm);
#endif

}  // namespace sterna
