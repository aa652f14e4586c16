#include "platform/memory_readings.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "platform/kernel_file.hpp"
#include "platform/process_memory.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

using std::filesystem::path;

class MemoryReadingsTest : public ::testing::Test {
 protected:
  void put(const path& file, const std::string& text) {
    std::filesystem::create_directories((folder_ / file).parent_path());
    std::ofstream(folder_ / file) << text;
  }
  MemoryReadings read() { return read_memory(SystemFiles{folder_ / "proc", folder_ / "fs"}); }

  path folder_ = testing::scratch();
};

TEST_F(MemoryReadingsTest, NoFilesSayNothing) {
  const MemoryReadings found = read();
  EXPECT_FALSE(found.resident || found.total || found.available);
  EXPECT_FALSE(found.cgroup || found.stalls || found.cgroup_stalls);
}

TEST_F(MemoryReadingsTest, OfTheProcessAndTheMachine) {
  put("proc/self/status", "Name:\tx\nVmHWM:\t    9000 kB\nVmRSS:\t    8192 kB\nThreads:\t2\n");
  put("proc/meminfo", "MemTotal:       24684092 kB\nMemFree:  1 kB\nMemAvailable:   23834804 kB\n");
  put("proc/pressure/memory",
      "some avg10=12.50 avg60=1.00 avg300=0.00 total=9\nfull avg10=2.25 avg60=0.00 avg300=0.00 total=3\n");
  const MemoryReadings found = read();
  EXPECT_EQ(found.resident, 8192u * 1024);
  EXPECT_EQ(found.total, 24684092ull * 1024);
  EXPECT_EQ(found.available, 23834804ull * 1024);
  ASSERT_TRUE(found.stalls);
  EXPECT_DOUBLE_EQ(found.stalls->some, 0.125);
  EXPECT_DOUBLE_EQ(found.stalls->full, 0.0225);
}

TEST_F(MemoryReadingsTest, Version2TakesTheGroupNearestToItsLimit) {
  put("proc/self/cgroup", "0::/outer/inner\n");
  put("fs/outer/inner/memory.max", "max\n");
  put("fs/outer/inner/memory.current", "100\n");
  put("fs/outer/inner/memory.stat", "anon 1\ninactive_file 0\n");
  EXPECT_FALSE(read().cgroup);
  put("fs/outer/memory.max", "1000\n");
  put("fs/outer/memory.current", "700\n");
  put("fs/outer/memory.stat", "anon 400\ninactive_file 300\nactive_file 0\n");
  ASSERT_TRUE(read().cgroup);
  EXPECT_EQ(read().cgroup->limit, 1000u);
  EXPECT_EQ(read().cgroup->usage, 700u);
  EXPECT_EQ(read().cgroup->working_set(), 400u);
  put("fs/outer/inner/memory.max", "200\n");  // 50 % against 40 %
  EXPECT_EQ(read().cgroup->limit, 200u);
  put("fs/outer/inner/memory.stat", "anon 1\ninactive_file 90\n");  // 5 %
  EXPECT_EQ(read().cgroup->limit, 1000u);
  put("fs/outer/inner/memory.max", "0\n");  // nothing is nearer than that
  EXPECT_EQ(read().cgroup->limit, 0u);
}

TEST_F(MemoryReadingsTest, Version2InsideAContainerReadsTheMountItself) {
  put("proc/self/cgroup", "0::/../../elsewhere\n");
  put("fs/memory.max", "4096\n");
  put("fs/memory.current", "1024\n");
  put("fs/memory.stat", "inactive_file 0\n");
  put("fs/memory.pressure", "some avg10=50.00 avg60=0.00\nfull avg10=25.00 avg60=0.00\n");
  ASSERT_TRUE(read().cgroup && read().cgroup_stalls);
  EXPECT_EQ(read().cgroup->usage, 1024u);
  EXPECT_EQ(read().cgroup_stalls->some, 0.5);
}

TEST_F(MemoryReadingsTest, Version1AndStallsOfVersion2BesideIt) {
  put("proc/self/cgroup", "4:memory:/job\n1:name=systemd:/\n0::/slice\n");
  put("fs/memory/job/memory.limit_in_bytes", "9223372036854771712\n");
  put("fs/memory/job/memory.usage_in_bytes", "500\n");
  put("fs/memory/job/memory.stat", "inactive_file 7\ntotal_inactive_file 100\n");
  EXPECT_FALSE(read().cgroup);
  put("fs/memory/job/memory.limit_in_bytes", "800\n");
  ASSERT_TRUE(read().cgroup);
  EXPECT_EQ(read().cgroup->limit, 800u);
  EXPECT_EQ(read().cgroup->working_set(), 400u);
  put("fs/unified/slice/memory.pressure", "some avg10=1.00 avg60=0.00\nfull avg10=0.00 avg60=0.00\n");
  ASSERT_TRUE(read().cgroup_stalls);
  EXPECT_EQ(read().cgroup_stalls->some, 0.01);
}

TEST_F(MemoryReadingsTest, DamagedFilesSayNothing) {
  const std::vector<std::string> numbers = {"",
                                            "\n",
                                            "max",
                                            "-1\n",
                                            "+5\n",
                                            "12x\n",
                                            "1 2\n",
                                            "0x10\n",
                                            " 7\n",
                                            "1e3\n",
                                            "99999999999999999999999\n",
                                            std::string("1\0", 2),
                                            std::string(20000, '1')};
  put("proc/self/cgroup", "0::/g\n");
  put("fs/g/memory.stat", "inactive_file 0\n");
  for (const std::string& text : numbers) {
    put("fs/g/memory.max", text);
    put("fs/g/memory.current", "10\n");
    EXPECT_FALSE(read().cgroup) << text;
    put("fs/g/memory.max", "100\n");
    put("fs/g/memory.current", text);
    EXPECT_FALSE(read().cgroup) << text;
  }
  put("fs/g/memory.current", "10\n");
  EXPECT_TRUE(read().cgroup);
  for (const char* text :
       {"", "inactive_file", "inactive_file x\n", "inactive_file 1 MB\n", "inactive_fil"}) {
    put("fs/g/memory.stat", text);
    EXPECT_FALSE(read().cgroup) << text;
  }
  for (const char* text : {"VmRSS:", "VmRSS: kB", "VmRSS: -5 kB", "VmRSS: 5 MB", "VmRSS:\t5 kBx",
                           "VmRSS: 18446744073709551615 kB", "xVmRSS: 5 kB"}) {
    put("proc/self/status", text);
    EXPECT_FALSE(read().resident) << text;
  }
  for (const char* text : {"", "some avg10=1.00 avg60=0.00\n", "some avg10=x\nfull avg10=0.00\n",
                           "some avg10=nan\nfull avg10=0.00\n", "some avg10=101.00\nfull avg10=0.00\n",
                           "some avg10=-1.00\nfull avg10=0.00\n", "some avg60=1.00\nfull avg10=0.00\n",
                           "some avg10=\nfull avg10=\n", "some \nfull \n"}) {
    put("proc/pressure/memory", text);
    EXPECT_FALSE(read().stalls) << text;
  }
  for (const char* text : {"", "0::", "::::", "0:memory", "0::../..\n", "garbage\n"}) {
    put("proc/self/cgroup", text);
    EXPECT_FALSE(read().cgroup) << text;
  }
  std::filesystem::remove(folder_ / "proc/meminfo");
  std::filesystem::create_directories(folder_ / "proc/meminfo");  // a folder where a file should be
  EXPECT_FALSE(read().total);
}

TEST(SystemMemoryReadings, AgreeWithThisProcess) {
  const MemoryReadings found = read_memory();
  ASSERT_TRUE(found.resident && found.total && found.available);
  EXPECT_NEAR(static_cast<double>(*found.resident), static_cast<double>(resident_bytes()), 16 << 20);
  EXPECT_LE(*found.available, *found.total);
  EXPECT_LT(*found.resident, *found.total);
}

}  // namespace
}  // namespace sterna
