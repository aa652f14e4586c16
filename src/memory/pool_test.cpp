// What a pool promises, one thing at a time.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory_resource>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "memory/pool/poison.hpp"
#include "memory/pool/size_classes.hpp"
#include "platform/cpu.hpp"
#include "platform/process_memory.hpp"
#include "sterna/error.hpp"
#include "sterna/log.hpp"
#include "sterna/memory.hpp"

namespace sterna {
namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = 1024 * kKiB;

std::size_t address(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p);
}

bool all_zero(const void* block, std::size_t bytes) {
  const auto* at = static_cast<const std::byte*>(block);
  return std::all_of(at, at + bytes, [](std::byte b) { return b == std::byte{0}; });
}

/// Collects the library's warnings while it lives.
class Warnings {
 public:
  Warnings() {
    set_log_sink([this](LogLevel, std::string_view message) {
      const std::lock_guard lock(mutex_);
      messages_.emplace_back(message);
    });
  }
  ~Warnings() { set_log_sink({}); }
  const std::vector<std::string>& messages() const { return messages_; }

 private:
  std::mutex mutex_;
  std::vector<std::string> messages_;
};

TEST(SizeClasses, AreSmallestThatFitAndWasteAnEighthAtMost) {
  for (std::size_t n = 1; n <= 3 * kMiB; n += 1 + n / 100) {
    const unsigned c = pool::class_of(n);
    const std::size_t bytes = pool::kSizeClasses[c].bytes;
    ASSERT_GE(bytes, n);
    if (c > 0) {
      ASSERT_LT(pool::kSizeClasses[c - 1].bytes, n);
    }
    ASSERT_TRUE(bytes - n < 16 || (bytes - n) * 8 <= bytes) << n << " in " << bytes;
    const auto& row = pool::kSizeClasses[c];
    const std::size_t span = row.units * pool::kUnit;
    ASSERT_LE(row.slots * bytes, span);
    ASSERT_LE((span - row.slots * bytes) * 16, span) << bytes;
  }
  EXPECT_EQ(pool::class_of(pool::kLargestClass), pool::kClasses - 1);
}

TEST(Pool, AlignsEverySizeToEveryPowerOfTwo) {
  HybridMemoryPool pool({.huge_pages = HugePages::Never});  // which take long to clear
  std::vector<void*> blocks;
  for (std::size_t alignment = 1; alignment <= MemoryPool::kMaxAlignment; alignment *= 2) {
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{100}, 5 * kKiB, 70 * kKiB,
                                    kMiB - 1, kMiB, 5 * kMiB + 3, 20 * kMiB}) {
      void* block = pool.allocate(bytes, alignment);
      ASSERT_EQ(address(block) % alignment, 0u) << bytes;
      if (bytes > 0) {
        std::memset(block, 1, std::min(bytes, std::size_t{64}));
        static_cast<std::byte*>(block)[bytes - 1] = std::byte{1};
      }
      blocks.push_back(block);
    }
  }
  std::vector<void*> distinct = blocks;
  std::sort(distinct.begin(), distinct.end());
  EXPECT_EQ(std::unique(distinct.begin(), distinct.end()), distinct.end());
  for (void* block : blocks) pool.deallocate(block);
  pool.deallocate(nullptr);
  pool.trim();
  EXPECT_EQ(pool.stats().held, 0u);
  EXPECT_EQ(pool.stats().reserved, 0u);
}

TEST(Pool, RefusesAlignmentsThatAreNone) {
  HybridMemoryPool pool;
  for (const std::size_t alignment : {std::size_t{0}, std::size_t{3}, std::size_t{96}, 4 * kMiB}) {
    try {
      pool.allocate(8, alignment);
      FAIL() << alignment;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::InvalidArgument);
      EXPECT_EQ(error.value("found"), std::to_string(alignment));
    }
  }
}

TEST(Pool, StaysUsableWhenItsLimitIsReached) {
  HybridMemoryPool pool({.name = "small", .limit = 16 * kMiB});
  // Small blocks that end in the cache, so that the large ones need it emptied.
  std::vector<void*> small;
  for (int i = 0; i < 60; ++i) small.push_back(pool.allocate(32 * kKiB));
  for (void* block : small) pool.deallocate(block);
  std::vector<void*> blocks;
  try {
    for (;;) {
      ASSERT_LT(blocks.size(), 17u);
      blocks.push_back(pool.allocate(kMiB - 1000));
      std::memset(blocks.back(), 1, kMiB - 1000);
    }
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Limit);
    EXPECT_EQ(error.value("pool"), "small");
    EXPECT_EQ(error.value("asked"), std::to_string(kMiB - 1000) + " bytes");
    EXPECT_EQ(error.value("limit"), std::to_string(16 * kMiB) + " bytes");
    EXPECT_EQ(error.value("held"), std::to_string(pool.stats().held) + " bytes");
  }
  EXPECT_GE(blocks.size(), 14u);  // with a redzone after each, one or two less than 16
  EXPECT_LE(pool.stats().held, 16 * kMiB);
  pool.deallocate(blocks.back());
  blocks.back() = pool.allocate(500 * kKiB);
  pool.set_limit(64 * kMiB);
  blocks.push_back(pool.allocate(40 * kMiB));
  for (void* block : blocks) pool.deallocate(block);
  EXPECT_THROW(pool.allocate(65 * kMiB), Error);
  EXPECT_THROW(pool.allocate(std::size_t{1} << 60), Error);
  EXPECT_THROW(pool.allocate(~std::size_t{0}), Error);
  pool.deallocate(pool.allocate(60 * kMiB));
}

TEST(Pool, TrimGivesMemoryBack) {
  HybridMemoryPool pool({.retain = std::uint64_t{1} << 40});
  std::vector<void*> blocks;
  const auto fill = [&](std::size_t bytes, int count) {
    for (int i = 0; i < count; ++i) {
      blocks.push_back(pool.allocate(bytes));
      std::memset(blocks.back(), 1, bytes);
    }
  };
  fill(40 * kMiB, 1);
  fill(4 * kMiB, 10);
  fill(100 * kKiB, 400);
  fill(1000, 40000);
  void* const kept = pool.allocate(3 * kMiB);
  std::memset(kept, 7, 3 * kMiB);
  const std::uint64_t full = resident_bytes();
  for (void* block : blocks) pool.deallocate(block);
  const std::uint64_t freed = resident_bytes();
  EXPECT_GT(freed + 16 * kMiB, full);  // kept for reuse
  EXPECT_GT(pool.stats().fragmentation(), 0.9);
  const std::uint64_t released = pool.trim();
  const std::uint64_t trimmed = resident_bytes();
  EXPECT_GT(released, 150 * kMiB);
  EXPECT_LT(trimmed + 150 * kMiB, full) << "resident before " << full << ", after " << trimmed;
  EXPECT_LT(pool.stats().fragmentation(), 0.05);
  EXPECT_EQ(static_cast<unsigned char*>(kept)[3 * kMiB - 1], 7);
  pool.deallocate(kept);
}

TEST(Pool, TrimEmptiesTheCachesOfOtherThreads) {
  HybridMemoryPool pool;
  std::atomic<bool> ready{false};
  std::atomic<bool> trimmed{false};
  std::thread other([&] {
    std::vector<void*> blocks;
    for (int i = 0; i < 8; ++i) blocks.push_back(pool.allocate(kMiB / 2));
    for (void* block : blocks) pool.deallocate(block);
    ready = true;
    while (!trimmed) std::this_thread::yield();  // lives on, idle
    pool.deallocate(pool.allocate(64));
  });
  while (!ready) std::this_thread::yield();
  EXPECT_GE(pool.stats().cached, kMiB);
  pool.trim(Trim::Caches);
  EXPECT_EQ(pool.stats().cached, 0u);
  EXPECT_GT(pool.stats().free_runs, 0u);
  pool.trim(Trim::Arenas);
  EXPECT_EQ(pool.stats().held, 0u);
  trimmed = true;
  other.join();
}

TEST(Pool, ZeroedBlocksAreZeroAndCostNothingUntouched) {
  HybridMemoryPool pool({.retain = std::uint64_t{1} << 40});
  for (int round = 0; round < 2; ++round) {  // fresh pages, then used ones
    for (const std::size_t bytes :
         {std::size_t{1}, 3 * kKiB, 100 * kKiB, kMiB, 3 * kMiB, 9 * kMiB, 40 * kMiB}) {
      void* block = pool.allocate_zeroed(bytes);
      EXPECT_TRUE(all_zero(block, bytes)) << bytes;
      std::memset(block, 1, bytes);
      pool.deallocate(block);
    }
  }
  const std::uint64_t before = resident_bytes();
  void* const vast = pool.allocate_zeroed(std::size_t{1} << 30);
  // Of 1 GiB; the address sanitizer's marks are an eighth of what is marked.
#if defined(__SANITIZE_ADDRESS__)
  constexpr std::uint64_t kMost = 192 * kMiB;
#else
  constexpr std::uint64_t kMost = 64 * kMiB;
#endif
  EXPECT_LT(resident_bytes(), before + kMost);
  pool.deallocate(vast);
  void* const used = pool.allocate(200 * kMiB);
  std::memset(used, 1, 200 * kMiB);
  pool.deallocate(used);
  const std::uint64_t dirty = resident_bytes();
  void* const again = pool.allocate_zeroed(200 * kMiB);
  EXPECT_LT(resident_bytes() + 150 * kMiB, dirty);  // the same run, its pages taken away
  pool.deallocate(again);
}

TEST(Pool, FiguresAddUp) {
  HybridMemoryPool pool;
  std::vector<std::pair<void*, std::size_t>> blocks;
  std::uint64_t used = 0;
  for (std::size_t bytes = 1; bytes < 30 * kMiB; bytes += 1 + bytes / 7) {
    blocks.emplace_back(pool.allocate(bytes), HybridMemoryPool::block_bytes(bytes));
    used += blocks.back().second;
  }
  const auto check = [&] {
    const PoolStats s = pool.stats();
    EXPECT_EQ(s.used, used);
    EXPECT_EQ(s.held, s.used + s.cached + s.free_slots + s.slack + s.free_runs);
    EXPECT_EQ(pool.report().total.bytes, used);
    EXPECT_EQ(pool.report().total.blocks, blocks.size());
    EXPECT_GE(s.peak_held, s.held);
    EXPECT_GE(s.reserved, s.held);
  };
  const auto shrink_to = [&](std::size_t count) {
    for (; blocks.size() > count; blocks.pop_back()) {
      pool.deallocate(blocks.back().first);
      used -= blocks.back().second;
    }
  };
  check();
  shrink_to(20);
  check();
  pool.trim();
  check();
  shrink_to(0);
  check();
}

TEST(Pool, JoinsNeighbours) {
  HybridMemoryPool pool;
  std::vector<void*> blocks;
  for (int i = 0; i < 3; ++i) blocks.push_back(pool.allocate(10 * kMiB - pool::kRedzone));
  const PoolStats full = pool.stats();
  EXPECT_EQ(full.reserved, 32 * kMiB);  // one arena
  for (void* block : blocks) pool.deallocate(block);
  EXPECT_EQ(pool.stats().largest_free_run, 30 * kMiB);
  void* const joined = pool.allocate(16 * kMiB - pool::kRedzone);
  EXPECT_EQ(pool.stats().reserved, 32 * kMiB);
  pool.deallocate(joined);
}

TEST(Pool, OutlivesThreadsAndThreadsOutliveIt) {
  auto first = std::make_unique<HybridMemoryPool>();
  void* from_thread = nullptr;
  std::thread([&] { from_thread = first->allocate(1000); }).join();
  std::memset(from_thread, 1, 1000);
  first->deallocate(from_thread);
  EXPECT_EQ(first->report().total.allocations, 1u);
  EXPECT_EQ(first->report().total.blocks, 0u);

  std::atomic<int> step{0};
  std::unique_ptr<HybridMemoryPool> second;
  std::thread survivor([&] {
    first->deallocate(first->allocate(1000));
    step = 1;
    while (step < 2) std::this_thread::yield();
    second->deallocate(second->allocate(1000));  // in the place of the first
  });
  while (step < 1) std::this_thread::yield();
  first.reset();
  second = std::make_unique<HybridMemoryPool>();
  step = 2;
  survivor.join();
  EXPECT_EQ(second->report().total.allocations, 1u);
}

TEST(Pool, ServesMorePoolsThanThreadsHaveCachesFor) {
  std::vector<std::unique_ptr<HybridMemoryPool>> pools;
  for (int i = 0; i < 50; ++i) {
    pools.push_back(std::make_unique<HybridMemoryPool>());
    void* block = pools.back()->allocate(100);
    pools.back()->deallocate(block);
    pools.back()->deallocate(pools.back()->allocate(5 * kMiB));
    EXPECT_EQ(pools.back()->report().total.allocations, 2u);
    EXPECT_EQ(pools.back()->report().total.blocks, 0u);
  }
}

TEST(Pool, LeavesAloneWhatIsNotItsOwn) {
  Warnings warnings;
  HybridMemoryPool pool, other({.name = "other"});
  int local = 0;
  pool.deallocate(&local);
  void* const block = other.allocate(3 * kMiB);
  pool.deallocate(block);
  other.deallocate(static_cast<std::byte*>(block) + 64);
  EXPECT_EQ(warnings.messages().size(), 3u);
  other.deallocate(block);
  EXPECT_EQ(warnings.messages().size(), 3u);
}

TEST(Pool, WarnsOfLiveBlocksWhenDestroyed) {
  Warnings warnings;
  {
    HybridMemoryPool pool({.name = "leaky"});
    EXPECT_NE(pool.allocate(100), nullptr);
  }
  ASSERT_EQ(warnings.messages().size(), 1u);
  EXPECT_NE(warnings.messages()[0].find("leaky"), std::string::npos);
  EXPECT_NE(warnings.messages()[0].find("1 live block"), std::string::npos);
}

TEST(Pool, ServesPolymorphicAllocators) {
  HybridMemoryPool pool;
  PoolResource resource(pool, MemoryTag::Scratch);
  {
    std::pmr::list<int> list(&resource);
    std::pmr::vector<double> vector(&resource);
    for (int i = 0; i < 1000; ++i) {
      list.push_back(i);
      vector.push_back(i);
    }
    EXPECT_EQ(list.back(), 999);
    EXPECT_EQ(vector[500], 500);
    EXPECT_EQ(pool.report().total.blocks, 1001u);
    EXPECT_TRUE(PoolResource(pool).is_equal(resource));
    EXPECT_FALSE(PoolResource().is_equal(resource));
  }
  EXPECT_EQ(pool.report().total.blocks, 0u);
}

TEST(Pool, BringsNoHugePageThatABlockDoesNotFill) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's shadow of the block is resident too";
#endif
  HybridMemoryPool pool;
  const std::uint64_t before = resident_bytes();
  void* block = pool.allocate(3 * kMiB / 2);
  std::memset(block, 1, 3 * kMiB / 2);
  EXPECT_LT(resident_bytes(), before + 2 * kMiB);  // a huge page
  pool.deallocate(block);
}

TEST(Pool, TakesTheOptionsOfTheHost) {
  HybridMemoryPool huge({.huge_pages = HugePages::Always, .numa_node = 0});
  void* block = huge.allocate(5 * kMiB);
  std::memset(block, 1, 5 * kMiB);
  huge.deallocate(block);
  huge.deallocate(huge.allocate(100));
  huge.trim();
  try {
    HybridMemoryPool({.numa_node = cpu_info().numa_nodes});
    FAIL() << "bound to a node that is not there";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::InvalidArgument);
  }
}

TEST(Pool, LocksItsPages) {
  HybridMemoryPool locked({.retain = 0, .lock = true});
  void* block = nullptr;
  try {
    block = locked.allocate(100 * kKiB);
  } catch (const Error& error) {
    GTEST_SKIP() << "the system locks no pages for this user: " << error.what();
  }
  std::memset(block, 1, 100 * kKiB);
  locked.deallocate(block);
  EXPECT_GT(locked.trim(), 0u);
  block = locked.allocate_zeroed(100 * kKiB);
  EXPECT_TRUE(all_zero(block, 100 * kKiB));
  locked.deallocate(block);
}

TEST(Pool, CountsByDevice) {
  const MemoryUsage before = device_usage();
  HybridMemoryPool pool;
  void* block = pool.allocate(100);
  EXPECT_EQ(device_usage().blocks, before.blocks + 1);
  EXPECT_EQ(device_usage({DeviceKind::Cpu, 1}).allocations, 0u);
  pool.deallocate(block);
  EXPECT_EQ(device_usage().blocks, before.blocks);
  EXPECT_THROW(default_pool({DeviceKind::Cpu, 1}), Error);
}

#ifdef STERNA_POOL_ASAN
TEST(PoolDeathTest, AddressSanitizerSeesUsesOfFreedBlocks) {
  HybridMemoryPool pool;
  for (const std::size_t bytes : {std::size_t{100}, 100 * kKiB, 3 * kMiB, 20 * kMiB}) {
    EXPECT_DEATH(
        {
          auto* block = static_cast<volatile char*>(pool.allocate(bytes));
          pool.deallocate(const_cast<char*>(block));
          block[8] = 1;
        },
        "use-after-poison");
    EXPECT_DEATH(
        {
          auto* block = static_cast<volatile char*>(pool.allocate(bytes));
          block[bytes] = 1;
        },
        "use-after-poison");
  }
}
#endif

}  // namespace
}  // namespace sterna
