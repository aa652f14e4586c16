// Random operations from eight threads, against a model that knows every live block.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "memory/pool/size_classes.hpp"
#include "sterna/memory.hpp"

namespace sterna {
namespace {

constexpr std::size_t kThreads = 8;

struct Block {
  std::byte* at = nullptr;
  std::size_t bytes = 0;
  std::size_t alignment = 0;
  MemoryTag tag = MemoryTag::General;
  std::uint64_t id = 0;
};

/// Which addresses are taken.
class Model {
 public:
  void insert(const Block& block) {
    const auto from = reinterpret_cast<std::uintptr_t>(block.at);
    const std::uintptr_t to = from + std::max<std::size_t>(block.bytes, 1);
    const std::lock_guard lock(mutex_);
    const auto next = taken_.lower_bound(from);
    if ((next != taken_.end() && next->first < to) ||
        (next != taken_.begin() && std::prev(next)->second > from)) {
      ++overlaps;
    }
    taken_.emplace_hint(next, from, to);
  }
  void erase(const Block& block) {
    const std::lock_guard lock(mutex_);
    taken_.erase(reinterpret_cast<std::uintptr_t>(block.at));
  }

  std::atomic<std::uint64_t> overlaps{0}, misaligned{0}, damaged{0};

 private:
  std::mutex mutex_;
  std::map<std::uintptr_t, std::uintptr_t> taken_;
};

/// What one thread did, in the terms of MemoryReport.
struct Sums {
  std::array<MemoryUsage, kMemoryTags> by_tag{};
  std::map<std::size_t, MemoryUsage> by_class;  // wrapping: another thread may free what this one allocated
  std::uint64_t requested = 0;

  void add(const Block& block, int sign) {
    const std::size_t size = HybridMemoryPool::block_bytes(block.bytes, block.alignment);
    const bool classed = size <= pool::kLargestClass && block.alignment <= pool::kUnit;
    const auto change = [&](MemoryUsage& usage, std::size_t bytes) {
      usage.blocks += static_cast<std::uint64_t>(sign);
      usage.bytes += static_cast<std::uint64_t>(sign) * bytes;
      ++(sign > 0 ? usage.allocations : usage.frees);
    };
    change(by_tag[static_cast<std::size_t>(block.tag)], block.bytes);
    change(by_class[classed ? size : 0], size);
    requested += static_cast<std::uint64_t>(sign) * block.bytes;
  }
  static void add(MemoryUsage& sum, const MemoryUsage& usage) {
    sum.blocks += usage.blocks;
    sum.bytes += usage.bytes;
    sum.allocations += usage.allocations;
    sum.frees += usage.frees;
  }
  void add(const Sums& other) {
    for (std::size_t tag = 0; tag < kMemoryTags; ++tag) add(by_tag[tag], other.by_tag[tag]);
    for (const auto& [size, usage] : other.by_class) add(by_class[size], usage);
    requested += other.requested;
  }
};

/// Where one thread leaves a block for another to free.
using Mailboxes = std::array<std::atomic<Block*>, 64>;

class Worker {
 public:
  Worker(MemoryPool& pool, Model& model, Mailboxes& mailboxes, unsigned number)
      : pool_(pool), model_(model), mailboxes_(mailboxes), number_(number), random_(number) {}

  void run(std::uint64_t operations) {
    for (std::uint64_t i = 0; i < operations; ++i) {
      const std::uint64_t choice = random_() % 4096;
      if (choice == 0) {
        pool_.trim(static_cast<Trim>(random_() % 3));
      } else if (choice < 256) {
        exchange();
      } else if (held_ < kHeld && (blocks_.size() < 64 || (choice % 2 == 0 && blocks_.size() < 512))) {
        allocate();
      } else {
        free_one();
      }
    }
  }
  void free_all() {
    while (!blocks_.empty()) free_one();
  }
  void free(std::unique_ptr<Block> block) {
    if (!intact(*block)) ++model_.damaged;
    model_.erase(*block);
    sums.add(*block, -1);
    pool_.deallocate(block->at);
  }

  Sums sums;

 private:
  static constexpr std::size_t kHeld = std::size_t{24} << 20;  // bytes of one thread

  void allocate() {
    auto block = std::make_unique<Block>();
    // Evenly over the doublings to 64 KiB; one in 64 goes on to 16 MiB.
    const unsigned doublings = random_() % 64 == 0 ? 24 : 16;
    block->bytes = (std::size_t{1} << random_() % (doublings + 1)) - 1;
    block->bytes += random_() % (block->bytes + 1);
    block->alignment =
        random_() % 4 != 0 ? 64 : std::size_t{1} << random_() % (random_() % 64 == 0 ? 22 : 13);
    block->tag = static_cast<MemoryTag>(random_() % kMemoryTags);
    block->id = (std::uint64_t{number_} << 48) + ++last_;
    block->at = static_cast<std::byte*>(
        random_() % 16 == 0 ? pool_.allocate_zeroed(block->bytes, block->alignment, block->tag)
                            : pool_.allocate(block->bytes, block->alignment, block->tag));
    if (reinterpret_cast<std::uintptr_t>(block->at) % block->alignment != 0) ++model_.misaligned;
    model_.insert(*block);
    sums.add(*block, +1);
    each_word(*block, [](std::byte* at, std::uint64_t value) { std::memcpy(at, &value, sizeof value); });
    held_ += block->bytes;
    blocks_.push_back(std::move(block));
  }

  void free_one() {
    if (blocks_.empty()) return;
    std::swap(blocks_[random_() % blocks_.size()], blocks_.back());
    held_ -= blocks_.back()->bytes;
    free(std::move(blocks_.back()));
    blocks_.pop_back();
  }

  void exchange() {
    if (blocks_.empty()) return;
    held_ -= blocks_.back()->bytes;
    Block* const mine = blocks_.back().release();
    blocks_.pop_back();
    if (Block* const theirs = mailboxes_[random_() % mailboxes_.size()].exchange(mine)) {
      free(std::unique_ptr<Block>(theirs));
    }
  }

  /// All words of a small block; of a large one those of a line in each page.
  template <class F>
  static void each_word(const Block& block, F&& f) {
    constexpr std::size_t kWord = sizeof(std::uint64_t);
    for (std::size_t i = 0; i + kWord <= block.bytes; i += kWord) {
      if (block.bytes > 2048 && i % 4096 == 64 && i + 4096 < block.bytes) i += 4096 - 64;
      f(block.at + i, (block.id + i) * 0x9E3779B97F4A7C15u);
    }
  }
  static bool intact(const Block& block) {
    bool same = true;
    each_word(block, [&](const std::byte* at, std::uint64_t value) {
      std::uint64_t found = 0;
      std::memcpy(&found, at, sizeof found);
      same &= found == value;
    });
    return same;
  }

  MemoryPool& pool_;
  Model& model_;
  Mailboxes& mailboxes_;
  std::uint64_t number_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::size_t held_ = 0;
  std::uint64_t last_ = 0;
};

void expect_equal(const MemoryUsage& found, const MemoryUsage& expected, std::size_t what) {
  EXPECT_EQ(found.blocks, expected.blocks) << what;
  EXPECT_EQ(found.bytes, expected.bytes) << what;
  EXPECT_EQ(found.allocations, expected.allocations) << what;
  EXPECT_EQ(found.frees, expected.frees) << what;
}

void expect_model_numbers(const MemoryPool& pool, TrackingLevel level, const Sums& sums) {
  const MemoryReport report = pool.report();
  EXPECT_EQ(report.level, level);
  std::uint64_t used = 0;
  for (const auto& [size, usage] : sums.by_class) used += usage.bytes;
  EXPECT_EQ(pool.stats().used, used);  // from the free lists, at every level
  if (level == TrackingLevel::Off) {
    EXPECT_EQ(report.total.allocations, 0u);
    return;
  }
  MemoryUsage total;
  for (const auto& [size, usage] : sums.by_class) Sums::add(total, usage);
  expect_equal(report.total, total, 0);
  EXPECT_GE(report.peak_bytes, total.bytes);
  ASSERT_EQ(report.by_class.size(), sums.by_class.size());
  for (const auto& row : report.by_class) {
    ASSERT_TRUE(sums.by_class.contains(row.block_bytes)) << row.block_bytes;
    expect_equal(row.usage, sums.by_class.at(row.block_bytes), row.block_bytes);
  }
  const bool tracked = level >= TrackingLevel::Standard;
  EXPECT_EQ(report.requested_bytes, tracked ? sums.requested : 0);
  for (std::size_t tag = 0; tag < kMemoryTags; ++tag) {
    expect_equal(report.by_tag[tag], tracked ? sums.by_tag[tag] : MemoryUsage{}, tag);
  }
  EXPECT_EQ(report.allocate_latency.total(), tracked ? total.allocations : 0);
  EXPECT_EQ(report.free_latency.total(), tracked ? total.frees : 0);
  const auto live = pool.live_blocks();
  EXPECT_EQ(live.size(), tracked ? total.blocks : 0);
  const auto with_stack =
      std::count_if(live.begin(), live.end(), [](const LiveBlock& b) { return !b.stack.empty(); });
  EXPECT_EQ(static_cast<std::size_t>(with_stack), level == TrackingLevel::Debug ? live.size() : 0);
}

void run_against_model(TrackingLevel level, std::uint64_t operations) {
  HybridMemoryPool pool({.tracking = level});
  Model model;
  Mailboxes mailboxes{};
  std::vector<std::unique_ptr<Worker>> workers;
  for (unsigned i = 0; i < kThreads; ++i)
    workers.push_back(std::make_unique<Worker>(pool, model, mailboxes, i));
  const auto in_threads = [&](auto&& work) {
    std::vector<std::thread> threads;
    for (auto& worker : workers) threads.emplace_back([&] { work(*worker); });
    for (std::thread& thread : threads) thread.join();
  };
  const auto check = [&] {
    Sums sums;
    for (const auto& worker : workers) sums.add(worker->sums);
    expect_model_numbers(pool, level, sums);
  };
  in_threads([&](Worker& worker) { worker.run(operations / kThreads); });
  check();
  in_threads([](Worker& worker) { worker.free_all(); });
  for (auto& mailbox : mailboxes) {
    if (Block* const block = mailbox.exchange(nullptr)) workers.front()->free(std::unique_ptr<Block>(block));
  }
  check();
  EXPECT_EQ(model.overlaps, 0u);
  EXPECT_EQ(model.misaligned, 0u);
  EXPECT_EQ(model.damaged, 0u);
  pool.trim();
  EXPECT_EQ(pool.stats().held, 0u);
  EXPECT_EQ(pool.stats().reserved, 0u);
}

class PoolProperty : public ::testing::TestWithParam<TrackingLevel> {};

TEST_P(PoolProperty, RandomOperationsAgreeWithTheModel) {
  // Naming the functions of a stack takes a millisecond for each block that is alive in the end.
  run_against_model(GetParam(), GetParam() == TrackingLevel::Debug ? 20'000 : 100'000);
}

INSTANTIATE_TEST_SUITE_P(Levels, PoolProperty,
                         ::testing::Values(TrackingLevel::Off, TrackingLevel::Counters,
                                           TrackingLevel::Standard, TrackingLevel::Detailed,
                                           TrackingLevel::Debug),
                         [](const auto& level) { return std::string(to_string(level.param)); });

TEST(SlowPool, TenMillionRandomOperationsAgreeWithTheModel) {
  run_against_model(TrackingLevel::Counters, 10'000'000);
}

}  // namespace
}  // namespace sterna
