#include "platform/thread_pool.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <numeric>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "platform/cpu.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

using Shares = std::vector<std::pair<std::size_t, std::size_t>>;

/// What each thread was given, [0, 0) for nothing.
Shares shares_of(ThreadPool& pool, std::size_t n, std::size_t grain) {
  Shares shares(pool.size());
  pool.parallel_for(n, grain, [&](std::size_t begin, std::size_t end, unsigned thread) {
    shares[thread] = {begin, end};
  });
  return shares;
}

class ThreadPools : public ::testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Sizes, ThreadPools, ::testing::Values(1u, 2u, 7u));

TEST_P(ThreadPools, SharesAreContiguousWholeGrainsInThreadOrder) {
  ThreadPool pool(GetParam());
  ASSERT_EQ(pool.size(), GetParam());
  for (const std::size_t n : {0, 1, 2, 6, 7, 8, 63, 64, 65, 1000}) {
    for (const std::size_t grain : {0, 1, 3, 8, 64, 2000}) {
      std::size_t next = 0;
      for (const auto& [begin, end] : shares_of(pool, n, grain)) {
        if (begin == end) continue;
        EXPECT_EQ(begin, next);
        if (end != n && grain > 1) {
          EXPECT_EQ((end - begin) % grain, 0u);
        }
        next = end;
      }
      EXPECT_EQ(next, n);
      EXPECT_EQ(shares_of(pool, n, grain), shares_of(pool, n, grain));
    }
  }
}

TEST_P(ThreadPools, SharesOfHugeRangesDoNotOverflow) {
  ThreadPool pool(GetParam());
  const std::size_t n = std::numeric_limits<std::size_t>::max();
  const Shares shares = shares_of(pool, n, 1000);
  EXPECT_EQ(shares.front().first, 0u);
  EXPECT_EQ(shares.back().second, n);
  for (std::size_t i = 1; i < shares.size(); ++i) EXPECT_EQ(shares[i].first, shares[i - 1].second);
}

TEST_P(ThreadPools, ManyTinyOperationsSeeTheOnesBefore) {
  ThreadPool pool(GetParam());
  constexpr std::size_t kN = 37;
  std::vector<std::uint64_t> values(kN, 1);
  std::vector<std::uint64_t> sums(kN);
  for (int step = 0; step < 2000; ++step) {  // each operation reads what other threads wrote in the last
    pool.parallel_for(kN, 1, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t i = begin; i < end; ++i) {
        sums[i] = std::accumulate(values.begin(), values.end(), std::uint64_t{i});
      }
    });
    pool.parallel_for(kN, 1, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t i = begin; i < end; ++i) values[i] = sums[kN - 1 - i];
    });
  }
  std::vector<std::uint64_t> expected(kN, 1);
  for (int step = 0; step < 2000; ++step) {
    const auto sum = std::accumulate(expected.begin(), expected.end(), std::uint64_t{0});
    for (std::size_t i = 0; i < kN; ++i) expected[i] = sum + (kN - 1 - i);
  }
  EXPECT_EQ(values, expected);
}

TEST_P(ThreadPools, WakesAfterSleeping) {
  ThreadPool pool(GetParam());
  for (int i = 0; i < 5; ++i) {
    std::atomic<std::size_t> covered{0};
    pool.parallel_for(100, 1, [&](std::size_t begin, std::size_t end, unsigned thread) {
      if (thread == 1) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the caller sleeps too
      covered += end - begin;
    });
    EXPECT_EQ(covered, 100u);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

TEST_P(ThreadPools, CallersTakeTurns) {
  ThreadPool pool(GetParam());
  constexpr int kCallers = 4;
  constexpr int kCalls = 200;
  std::size_t total = 0;  // guarded by the turns alone
  std::vector<std::size_t> parts(pool.size());
  std::atomic<int> inside{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < kCallers; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < kCalls; ++i) {
        pool.parallel_for(50, 1, [&](std::size_t begin, std::size_t end, unsigned thread) {
          EXPECT_LE(inside.fetch_add(1) + 1, static_cast<int>(pool.size()));
          parts[thread] += end - begin;
          if (thread == 0) ++total;
          inside.fetch_sub(1);
        });
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(total, static_cast<std::size_t>(kCallers * kCalls));
  EXPECT_EQ(std::accumulate(parts.begin(), parts.end(), std::size_t{0}), 50u * kCallers * kCalls);
}

TEST_P(ThreadPools, DealsEveryItemOnce) {
  ThreadPool pool(GetParam());
  for (const std::size_t items : {0, 1, 2, 3, 6, 7, 8, 40, 1000}) {
    for (int repeat = 0; repeat < 300; ++repeat) {
      std::vector<std::atomic<int>> times(items);
      pool.deal(items, [&](std::size_t item, unsigned thread) {
        EXPECT_LT(thread, pool.size());
        ++times[item];
      });
      for (std::size_t i = 0; i < items; ++i) ASSERT_EQ(times[i], 1) << i << " of " << items;
    }
  }
}

/// A thread that is late, or slow with what it began with, holds up nothing but that.
TEST(ThreadPool, DealsTheRestToWhoIsFree) {
  ThreadPool pool(2);
  for (int repeat = 0; repeat < 100; ++repeat) {
    std::atomic<int> others{0};
    pool.deal(20, [&](std::size_t item, unsigned) {
      if (item == 1) {
        while (others < 19) std::this_thread::yield();
      } else {
        ++others;
      }
    });
    EXPECT_EQ(others, 19);
  }
}

TEST(ThreadPool, AsksEveryThreadWhatToReadWhenNoItemIsLeft) {
  constexpr unsigned kThreads = 3;
  ThreadPool pool(kThreads);
  std::atomic<int> done{0};
  std::vector<int> asked(kThreads);
  // Of memory that is there, of memory that is not, and of none.
  const std::vector<std::byte> memory(1 << 20);
  const auto ahead = [&](unsigned thread) -> std::span<const std::byte> {
    ++asked[thread];
    if (thread == 0) return {};
    return thread == 1 ? memory : std::span(reinterpret_cast<const std::byte*>(4096), 1 << 20);
  };
  for (int repeat = 1; repeat <= 200; ++repeat) {
    pool.deal(
        7, [&](std::size_t, unsigned) { ++done; }, ahead);
    EXPECT_EQ(done, 7 * repeat);
    EXPECT_EQ(asked, std::vector<int>(kThreads, repeat));
  }
}

TEST(ThreadPool, TheCallerIsThreadZeroAndEveryThreadIsAnother) {
  ThreadPool pool(3);
  std::vector<std::thread::id> ids(3);
  pool.parallel_for(
      3, 1, [&](std::size_t, std::size_t, unsigned thread) { ids[thread] = std::this_thread::get_id(); });
  EXPECT_EQ(ids[0], std::this_thread::get_id());
  EXPECT_NE(ids[1], ids[0]);
  EXPECT_NE(ids[2], ids[0]);
  EXPECT_NE(ids[2], ids[1]);
}

TEST(ThreadPool, TakesTheMachinesCoresByDefault) {
  EXPECT_EQ(ThreadPool().size(), cpu_info().physical_cores);
}

TEST(ThreadPool, RefusesASillyNumber) {
  EXPECT_THROW(ThreadPool pool(1u << 20), Error);
}

TEST(ThreadPool, LeavesTheCallersAffinityAlone) {
  cpu_set_t before;
  cpu_set_t after;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  ThreadPool pool;
  shares_of(pool, 100, 1);
  ASSERT_EQ(::sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

}  // namespace
}  // namespace sterna
