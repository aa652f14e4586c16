// A day of serving, replayed in simulated time: what the pool's memory looks like in the end.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <queue>
#include <random>
#include <utility>
#include <vector>

#include "sterna/memory.hpp"

namespace sterna {
namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = 1024 * kKiB;

/// A draw whose logarithm is even between two bounds. Integers and a division alone, so that it is the same
/// everywhere: the standard's distributions are not.
std::size_t between(std::mt19937_64& random, std::size_t low, std::size_t high) {
  std::size_t n = low;
  while (n < high / 2 && random() % 3 != 0) n *= 2;
  return std::min(high, n + random() % n);
}

/// Requests of a chat service: each has a KV cache for its context, working memory, many small objects, and
/// tensors that come and go with its tokens. Some sessions stay for hours after their answer.
class Service {
 public:
  explicit Service(MemoryPool& pool) : pool_(pool) {
    for (int layer = 0; layer < 30; ++layer) {
      for (const std::size_t bytes : {4 * kMiB, kMiB / 2, kMiB, 11 * kMiB}) keep(bytes, MemoryTag::Weights);
    }
  }

  void run(std::uint64_t seconds) {
    for (; now_ < seconds; ++now_) {
      while (!ends_.empty() && ends_.top().at <= now_) {
        for (void* block : sessions_[ends_.top().session]) pool_.deallocate(block);
        sessions_[ends_.top().session].clear();
        ends_.pop();
      }
      // By day a request every two seconds, by night every ten.
      const std::uint64_t hour = now_ / 3600 % 24;
      if (random_() % (hour >= 8 && hour < 22 ? 2 : 10) == 0) begin();
      tokens();
      if (now_ % 3600 == 3599) pool_.trim();  // what a service's periodic cleanup does
    }
  }

  std::uint64_t allocations() const { return allocations_; }
  std::size_t sessions() const { return ends_.size(); }
  void end() {
    for (auto& session : sessions_) {
      for (void* block : session) pool_.deallocate(block);
    }
    for (void* block : kept_) pool_.deallocate(block);
    for (void* block : transient_) pool_.deallocate(block);
  }

 private:
  struct End {
    std::uint64_t at;
    std::size_t session;
    bool operator<(const End& other) const { return at > other.at; }
  };

  void* allocate(std::size_t bytes, MemoryTag tag) {
    ++allocations_;
    return pool_.allocate(bytes, 64, tag);
  }
  void keep(std::size_t bytes, MemoryTag tag) { kept_.push_back(allocate(bytes, tag)); }

  void begin() {
    std::vector<void*> blocks;
    blocks.push_back(allocate(between(random_, 256 * kKiB, 48 * kMiB), MemoryTag::KvCache));
    blocks.push_back(allocate(between(random_, 64 * kKiB, 4 * kMiB), MemoryTag::Activations));
    for (std::size_t n = 20 + random_() % 60; n > 0; --n) {
      blocks.push_back(allocate(between(random_, 16, 16 * kKiB), MemoryTag::General));
    }
    // An answer takes seconds to minutes; one session in twenty is kept for up to six hours.
    const std::uint64_t stays = random_() % 20 == 0 ? 600 + random_() % 21'000 : 3 + random_() % 90;
    sessions_.push_back(std::move(blocks));
    ends_.push({now_ + stays, sessions_.size() - 1});
  }

  /// The tensors of one second's tokens.
  void tokens() {
    for (int i = 0; i < 8; ++i) {
      transient_.push_back(allocate(between(random_, 64, 512 * kKiB), MemoryTag::Tensor));
      if (transient_.size() > 32) {
        std::swap(transient_[random_() % transient_.size()], transient_.back());
        pool_.deallocate(transient_.back());
        transient_.pop_back();
      }
    }
  }

  MemoryPool& pool_;
  std::mt19937_64 random_{20};
  std::uint64_t now_ = 0;
  std::uint64_t allocations_ = 0;
  std::vector<void*> kept_, transient_;
  std::vector<std::vector<void*>> sessions_;
  std::priority_queue<End> ends_;
};

TEST(SlowPoolServing, ADayEndsWithLittleFragmentation) {
  HybridMemoryPool pool;
  Service service(pool);
  service.run(24 * 3600);
  const PoolStats s = pool.stats();
  std::printf(
      "%llu allocations, %zu sessions alive, held %llu MiB, used %llu, free slots %.2f, slack %.2f, cached "
      "%.2f, "
      "free runs %.2f MiB: fragmentation %.2f %%\n",
      static_cast<unsigned long long>(service.allocations()), service.sessions(),
      static_cast<unsigned long long>(s.held >> 20), static_cast<unsigned long long>(s.used >> 20),
      static_cast<double>(s.free_slots) / kMiB, static_cast<double>(s.slack) / kMiB,
      static_cast<double>(s.cached) / kMiB, static_cast<double>(s.free_runs) / kMiB, 100 * s.fragmentation());
  EXPECT_GT(service.allocations(), 1'000'000u);
  EXPECT_GT(service.sessions(), 20u);
  EXPECT_LE(s.fragmentation(), 0.10);
  service.end();
}

}  // namespace
}  // namespace sterna
