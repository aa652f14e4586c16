// The backends of the processor.
#pragma once

#include "backend/backend.hpp"

namespace sterna::cpu {

// Both take the kernels of one instruction set of the kernel table; an operation that a set does not have
// comes from the next set that the processor supports.
std::string simd_why_not();
std::vector<std::string_view> simd_variants();
void simd_provide(std::string_view isa, Operation operation, Kernels& kernels);
double simd_read_bandwidth(ThreadPool& pool);

std::vector<std::string_view> scalar_variants();
void scalar_provide(std::string_view isa, Operation operation, Kernels& kernels);
double scalar_read_bandwidth(ThreadPool& pool);

inline constexpr Backend kSimd{.name = "simd",
                               .priority = 60,
                               .summary = "vector instructions of the processor",
                               .device = DeviceKind::Cpu,
                               .why_not = simd_why_not,
                               .variants = simd_variants,
                               .provide = simd_provide,
                               .read_bandwidth = simd_read_bandwidth};

inline constexpr Backend kScalar{.name = "scalar",
                                 .priority = 40,
                                 .summary = "portable code, for any processor",
                                 .device = DeviceKind::Cpu,
                                 .why_not = [] { return std::string(); },
                                 .variants = scalar_variants,
                                 .provide = scalar_provide,
                                 .read_bandwidth = scalar_read_bandwidth};

}  // namespace sterna::cpu
