#include "platform/cpu.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>

#include "platform/cgroup.hpp"
#include "platform/process_memory.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

using std::filesystem::path;

TEST(CpuInfo, AgreesWithTheSystem) {
  const CpuInfo& info = cpu_info();
  cpu_set_t affinity;
  ASSERT_EQ(::sched_getaffinity(0, sizeof affinity, &affinity), 0);
  const auto allowed = static_cast<unsigned>(CPU_COUNT(&affinity));
  EXPECT_FALSE(info.name.empty());
  EXPECT_GE(info.physical_cores, 1u);
  EXPECT_LE(info.physical_cores, info.logical_cores);
  EXPECT_LE(info.logical_cores, allowed);
  EXPECT_GE(info.core_cpus.size(), info.physical_cores);
  const std::set<unsigned> distinct(info.core_cpus.begin(), info.core_cpus.end());
  EXPECT_EQ(distinct.size(), info.core_cpus.size());
  for (const unsigned cpu : distinct) EXPECT_TRUE(CPU_ISSET(cpu, &affinity)) << cpu;
  EXPECT_GT(info.memory_bytes, resident_bytes());
}

TEST(CpuInfo, CachesGrowByLevel) {
  const auto& caches = cpu_info().caches;
  EXPECT_TRUE(std::is_sorted(caches.begin(), caches.end(), [](const CpuCache& a, const CpuCache& b) {
    return a.level < b.level && a.bytes < b.bytes;
  }));
}

#if defined(__x86_64__) && defined(__GNUC__)
TEST(CpuInfo, FeaturesAgreeWithTheCompilersRuntime) {
  const auto has = [](CpuFeature f) { return (cpu_info().features & static_cast<CpuFeatures>(f)) != 0; };
  EXPECT_EQ(has(CpuFeature::Avx2), __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                                       __builtin_cpu_supports("bmi2"));
  EXPECT_EQ(has(CpuFeature::Avx512),
            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"));
  EXPECT_EQ(has(CpuFeature::Avx512Vnni), bool(__builtin_cpu_supports("avx512vnni")));
}
#endif

TEST(CpuInfo, NamesFeaturesInOrder) {
  EXPECT_EQ(feature_names(CpuFeature::Avx512Vnni | CpuFeature::Avx2),
            (std::vector<std::string>{"avx2", "avx512vnni"}));
  EXPECT_TRUE(feature_names(0).empty());
}

TEST(ProcessMemory, SeesWhatIsTouched) {
  const auto before = resident_bytes();
  ASSERT_GT(before, 0u);
  const std::vector<char> block(64 << 20, 'x');
  EXPECT_GT(resident_bytes(), before + (60 << 20));
  EXPECT_GE(peak_resident_bytes(), before + (60 << 20));
  EXPECT_EQ(block[12345], 'x');
}

class Cgroup : public ::testing::Test {
 protected:
  void put(const path& file, const std::string& text) {
    std::filesystem::create_directories((folder_ / file).parent_path());
    std::ofstream(folder_ / file) << text;
  }
  std::optional<double> quota() { return cpu_quota(folder_ / "membership", folder_ / "fs"); }

  path folder_ = testing::scratch();
};

TEST_F(Cgroup, NoFilesMeanNoQuota) {
  EXPECT_EQ(quota(), std::nullopt);
  put("membership", "garbage\n0::/a\n:\n");
  EXPECT_EQ(quota(), std::nullopt);
}

TEST_F(Cgroup, Version2TakesTheTightestOfTheGroupAndThoseAbove) {
  put("membership", "0::/outer/inner\n");
  put("fs/outer/inner/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), std::nullopt);
  put("fs/outer/cpu.max", "150000 100000\n");
  EXPECT_EQ(quota(), 1.5);
  put("fs/cpu.max", "50000 100000\n");
  EXPECT_EQ(quota(), 0.5);
}

TEST_F(Cgroup, Version2InsideAContainerReadsTheMountItself) {
  put("membership", "0::/../../elsewhere\n");
  put("fs/cpu.max", "400000 100000\n");
  EXPECT_EQ(quota(), 4.0);
}

TEST_F(Cgroup, Version1) {
  put("membership", "3:cpuset:/\n2:cpu,cpuacct:/job\n1:name=systemd:/\n");
  put("fs/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
  put("fs/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), std::nullopt);
  put("fs/cpu,cpuacct/job/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(quota(), 3.0);
}

}  // namespace
}  // namespace sterna
