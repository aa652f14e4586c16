#include "platform/cpu.hpp"

#include <cpuinfo.h>
#include <hwloc.h>
#include <sys/auxv.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "base/checked.hpp"
#include "platform/amx.hpp"
#include "platform/cgroup.hpp"

namespace sterna {
namespace {

struct FeatureRow {
  CpuFeature feature;
  std::string_view name;
  bool (*present)();
};

/// Linux tells an aarch64 program what the processor has in two words of bits, which are fixed
/// (Documentation/arch/arm64/elf_hwcaps.rst); not every version of cpuinfo knows them. On other processors
/// the same bits mean other things.
bool arm_has([[maybe_unused]] unsigned long word, [[maybe_unused]] int bit) {
#ifdef __aarch64__
  return (::getauxval(word) >> bit & 1) != 0;
#else
  return false;
#endif
}

constexpr std::array kFeatures{
    FeatureRow{CpuFeature::Avx2, "avx2",
               [] {
                 return cpuinfo_has_x86_avx2() && cpuinfo_has_x86_fma3() && cpuinfo_has_x86_f16c() &&
                        cpuinfo_has_x86_bmi2();
               }},
    FeatureRow{CpuFeature::Avx512, "avx512",
               [] {
                 return cpuinfo_has_x86_avx512f() && cpuinfo_has_x86_avx512bw() &&
                        cpuinfo_has_x86_avx512vl() && cpuinfo_has_x86_avx512dq();
               }},
    FeatureRow{CpuFeature::Avx512Vnni, "avx512vnni", [] { return cpuinfo_has_x86_avx512vnni(); }},
    FeatureRow{CpuFeature::Avx512Vbmi, "avx512vbmi", [] { return cpuinfo_has_x86_avx512vbmi(); }},
    FeatureRow{CpuFeature::AmxInt8, "amxint8", amx_int8_usable},
    FeatureRow{CpuFeature::Neon, "neon", [] { return arm_has(AT_HWCAP, 1); }},
    FeatureRow{CpuFeature::NeonDot, "neondot", [] { return arm_has(AT_HWCAP, 20); }},
    FeatureRow{CpuFeature::I8mm, "i8mm", [] { return arm_has(AT_HWCAP2, 13); }},
};

void read_features(CpuInfo& info) {
  if (cpuinfo_initialize()) {  // where it fails, it says no to everything
    if (const auto* package = cpuinfo_get_package(0)) info.name = package->name;
  }
  for (const FeatureRow& row : kFeatures) {
    if (row.present()) info.features |= static_cast<CpuFeatures>(row.feature);
  }
}

unsigned count_or_one(hwloc_topology_t topology, hwloc_obj_type_t type) {
  return static_cast<unsigned>(std::max(hwloc_get_nbobjs_by_type(topology, type), 1));
}

/// The cores of the processors in `allowed`: one processor of each.
std::vector<unsigned> processors_of_cores(hwloc_topology_t topology, hwloc_const_bitmap_t allowed) {
  std::vector<unsigned> processors;
  const auto depth = hwloc_get_type_or_below_depth(topology, HWLOC_OBJ_CORE);  // PUs where cores are unknown
  for (auto* core = hwloc_get_obj_by_depth(topology, depth, 0); core != nullptr; core = core->next_cousin) {
    const std::unique_ptr<hwloc_bitmap_s, decltype(&hwloc_bitmap_free)> usable(hwloc_bitmap_alloc(),
                                                                               hwloc_bitmap_free);
    hwloc_bitmap_and(usable.get(), core->cpuset, allowed);
    const int first = hwloc_bitmap_first(usable.get());
    if (first >= 0) processors.push_back(static_cast<unsigned>(first));
  }
  return processors;
}

std::vector<CpuCache> read_caches(hwloc_topology_t topology) {
  std::vector<CpuCache> caches;
  constexpr hwloc_obj_type_t kLevels[] = {HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L2CACHE, HWLOC_OBJ_L3CACHE,
                                          HWLOC_OBJ_L4CACHE, HWLOC_OBJ_L5CACHE};
  for (const auto type : kLevels) {
    if (const auto* cache = hwloc_get_obj_by_type(topology, type, 0)) {
      caches.push_back({cache->attr->cache.depth, cache->attr->cache.size,
                        static_cast<unsigned>(std::max(hwloc_bitmap_weight(cache->cpuset), 1))});
    }
  }
  return caches;
}

void read_topology(CpuInfo& info) {
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) return;
  const std::unique_ptr<hwloc_topology, decltype(&hwloc_topology_destroy)> owner(topology,
                                                                                 hwloc_topology_destroy);
  if (hwloc_topology_load(topology) != 0) return;
  const std::unique_ptr<hwloc_bitmap_s, decltype(&hwloc_bitmap_free)> allowed(
      hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(topology)), hwloc_bitmap_free);
  const std::unique_ptr<hwloc_bitmap_s, decltype(&hwloc_bitmap_free)> affinity(hwloc_bitmap_alloc(),
                                                                               hwloc_bitmap_free);
  if (hwloc_get_cpubind(topology, affinity.get(), HWLOC_CPUBIND_PROCESS) == 0) {
    hwloc_bitmap_and(allowed.get(), allowed.get(), affinity.get());
  }
  info.packages = count_or_one(topology, HWLOC_OBJ_PACKAGE);
  info.numa_nodes = count_or_one(topology, HWLOC_OBJ_NUMANODE);
  info.core_cpus = processors_of_cores(topology, allowed.get());
  info.logical_cores = static_cast<unsigned>(std::max(hwloc_bitmap_weight(allowed.get()), 1));
  info.memory_bytes = hwloc_get_root_obj(topology)->total_memory;
  info.caches = read_caches(topology);
}

CpuInfo read_cpu_info() {
  CpuInfo info;
  read_features(info);
  read_topology(info);
  if (info.core_cpus.empty()) info.core_cpus = {0};
  info.physical_cores = static_cast<unsigned>(info.core_cpus.size());
  if (const auto quota = cpu_quota()) {
    // Rounded down: threads beyond the quota would stop each other until the next period.
    const auto cores = static_cast<unsigned>(std::clamp(*quota, 1.0, 65536.0));
    info.physical_cores = std::min(info.physical_cores, cores);
    info.logical_cores = std::min(info.logical_cores, cores);
  }
  return info;
}

}  // namespace

const CpuInfo& cpu_info() {
  static const CpuInfo info = read_cpu_info();
  return info;
}

std::uint64_t last_level_cache_bytes() {
  const CpuInfo& cpu = cpu_info();
  const auto last = std::ranges::max_element(cpu.caches, {}, &CpuCache::level);
  if (last == cpu.caches.end()) return 0;
  return last->bytes * ceil_div(cpu.logical_cores, std::max(1u, last->shared_by));
}

std::vector<std::string> feature_names(CpuFeatures features) {
  std::vector<std::string> names;
  for (const FeatureRow& row : kFeatures) {
    if (features & static_cast<CpuFeatures>(row.feature)) names.emplace_back(row.name);
  }
  return names;
}

}  // namespace sterna
