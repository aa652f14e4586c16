// What the processor can do and how it is built.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sterna {

/// Instruction sets that kernels ask for; a set of them is a bit mask.
enum class CpuFeature : std::uint32_t {
  Avx2 = 1u << 0,    ///< AVX2, with FMA, F16C, BMI2
  Avx512 = 1u << 1,  ///< F, BW, VL, DQ
  Avx512Vnni = 1u << 2,
  Avx512Vbmi = 1u << 3,
  AmxInt8 = 1u << 4,
  Neon = 1u << 5,
  NeonDot = 1u << 6,
  I8mm = 1u << 7,
};
using CpuFeatures = std::uint32_t;
constexpr CpuFeatures operator|(CpuFeature a, CpuFeature b) {
  return static_cast<CpuFeatures>(a) | static_cast<CpuFeatures>(b);
}

struct CpuCache {
  unsigned level;
  std::uint64_t bytes;
  unsigned shared_by;  ///< logical processors
};

struct CpuInfo {
  std::string name;
  CpuFeatures features = 0;
  unsigned packages = 1;
  unsigned physical_cores = 1;  ///< that this process may run on (affinity and cgroup quota respected)
  unsigned logical_cores = 1;
  /// One logical processor (the system's number) of each core that this process may run on; a quota does not
  /// shorten it.
  std::vector<unsigned> core_cpus;
  unsigned numa_nodes = 1;
  std::uint64_t memory_bytes = 0;
  std::vector<CpuCache> caches;  ///< data and unified, by level
};

/// Read once per process.
const CpuInfo& cpu_info();
/// Bytes of the last level of cache that this process can reach; 0 when the system does not tell.
std::uint64_t last_level_cache_bytes();
/// The names of the set bits, in the order of the enum: "avx2", "avx512vnni", …
std::vector<std::string> feature_names(CpuFeatures features);

}  // namespace sterna
