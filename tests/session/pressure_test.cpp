// Memory runs short while text is generated: the level rises, what can be spared is given back, and the text
// stays the same.
#include <gtest/gtest.h>

#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "platform/process_memory.hpp"
#include "sterna/cleanup.hpp"
#include "sterna/session.hpp"
#include "support/memory_cgroup.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

/// Copies that could be made again, as a converted tensor could: blocks of a pool, dropped on request.
class Copies {
 public:
  Copies(MemoryPool& pool, ReclaimRegistry& registry) : pool_(pool) {
    handle_ = registry.add({.name = "copies", .cost = ReclaimCost::Cached, .pool = pool.name()},
                           [this](PressureLevel) { return drop(); });
  }
  ~Copies() { drop(); }

  void add() {
    void* block = pool_.allocate(kBlock);
    std::memset(block, 1, kBlock);
    const std::lock_guard lock(mutex_);
    blocks_.push_back(block);
  }
  std::uint64_t bytes() const {
    const std::lock_guard lock(mutex_);
    return blocks_.size() * kBlock;
  }
  std::uint64_t drop() {
    const std::lock_guard lock(mutex_);
    const std::uint64_t bytes = blocks_.size() * kBlock;
    for (void* block : blocks_) pool_.deallocate(block);
    blocks_.clear();
    return bytes;
  }

 private:
  static constexpr std::size_t kBlock = 4 * kMiB;
  MemoryPool& pool_;
  mutable std::mutex mutex_;
  std::vector<void*> blocks_;
  ReclaimHandle handle_;
};

// The address sanitizer keeps marks of what was used, and freed blocks for a while.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kResidentIsOurs = false;
#else
constexpr bool kResidentIsOurs = true;
#endif

class MemoryPressure : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { model_ = Model::load(testing::bundled_model()); }
  static void TearDownTestSuite() { model_.reset(); }

  static std::vector<TokenId> prompt(std::string_view text = "Once upon a time there lived a king who had") {
    std::vector<TokenId> ids{*model_->tokenizer()->bos()};
    const auto rest = model_->tokenizer()->encode(text);
    ids.insert(ids.end(), rest.begin(), rest.end());
    return ids;
  }
  static std::vector<TokenId> generate(Session& session) {
    GenerateOptions options;
    options.max_tokens = 60;
    options.ignore_end = true;
    options.sampling.seed = 7;
    session.reset();
    return session.generate(prompt(), options).tokens;
  }

  /// Options of a monitor that other work on the machine does not disturb.
  static PressureOptions undisturbed(bool cgroup = false, std::uint64_t process_limit = 0) {
    PressureOptions options;
    options.process_limit = process_limit;
    options.readings = [cgroup] {
      MemoryReadings all = read_memory();
      return MemoryReadings{
          .resident = all.resident, .total = all.total, .cgroup = cgroup ? all.cgroup : std::nullopt};
    };
    return options;
  }

  /// Fills the pool until `source` is at 92 % of its limit, and lets a cleaner's thread find out while a
  /// session generates.
  static void fill_and_generate(PressureMonitor& monitor, MemoryPool& pool, const std::string& source,
                                const std::string& strategy) {
    ReclaimRegistry& registry = ReclaimRegistry::process();
    const ReclaimHandle trimmed = registry.add(pool);
    Copies copies(pool, registry);
    Session session(model_, {.context = 128, .threads = 1});
    const std::vector<TokenId> expected = generate(session);

    const auto share = [&] {
      const PressureReport report = monitor.poll();
      const PressureSource* found = report.find(source);
      return found ? found->share : 0;
    };
    ASSERT_LT(share(), 0.7) << "nothing has been filled yet";
    while (share() < 0.92) {
      copies.add();
      ASSERT_LT(copies.bytes(), 1024 * kMiB) << source << " does not notice: " << share();
    }
    const std::uint64_t filled = copies.bytes();
    const std::uint64_t resident = resident_bytes();
    const std::uint64_t held = pool.stats().held;
    ASSERT_GE(held, filled);

    std::mutex mutex;
    std::vector<CleanupReport> reports;
    std::vector<PressureLevel> heard;
    const auto listening = monitor.on_change(
        [&](const PressureReport& report) {
          const std::lock_guard lock(mutex);
          heard.push_back(report.level);
        },
        PressureLevel::Low, 0);
    CleanupOptions options;
    options.interval = 0.002;
    options.strategies = {"pressure", "device"};
    options.on_cleanup = [&](const CleanupReport& report) {
      const std::lock_guard lock(mutex);
      reports.push_back(report);
    };
    MemoryCleaner cleaner(monitor, options);
    cleaner.start();
    int texts = 0;
    for (; texts < 500 && (texts < 2 || copies.bytes() > 0); ++texts) ASSERT_EQ(generate(session), expected);
    cleaner.stop();
    EXPECT_EQ(generate(session), expected);

    EXPECT_EQ(copies.bytes(), 0u);
    // The pool keeps some of what was freed, and the cleaner's thread a cache.
    constexpr std::uint64_t kKept = 24 * kMiB;
    ASSERT_GT(filled, 2 * kKept);
    EXPECT_LE(pool.stats().held, held - filled + kKept);
    if (kResidentIsOurs) {
      EXPECT_LT(resident_bytes(), resident - filled + kKept);
    }
    ASSERT_FALSE(heard.empty());
    EXPECT_GE(heard.front(), PressureLevel::High);
    const StrategyReport* freed = nullptr;
    for (const CleanupReport& report : reports) {
      for (const StrategyReport& ran : report.strategies) {
        for (const auto& call : ran.calls) {
          if (call.name != "copies" || call.bytes == 0) continue;
          freed = &ran;
          EXPECT_EQ(call.bytes, filled);
          EXPECT_GE(report.before.find(source)->level, PressureLevel::High);
          EXPECT_LT(report.after.find(source)->level, PressureLevel::Medium);
        }
      }
    }
    ASSERT_NE(freed, nullptr);
    EXPECT_EQ(freed->strategy, strategy);
    ASSERT_TRUE(freed->resident_before && freed->resident_after);
    if (kResidentIsOurs) {
      EXPECT_GT(*freed->resident_before, *freed->resident_after + filled - kKept);
    }
  }

  static inline std::shared_ptr<const Model> model_;
};

TEST_F(MemoryPressure, OfAPoolLimit) {
  HybridMemoryPool pool({.name = "limited", .limit = 128 * kMiB, .retain = 4 * kMiB});
  PressureMonitor monitor(undisturbed());
  const auto watching = watch_pool(monitor, pool);
  fill_and_generate(monitor, pool, "limited", "device");
  if (HasFatalFailure()) return;
  pool.deallocate(pool.allocate(100 * kMiB));  // room again
}

TEST_F(MemoryPressure, OfTheProcess) {
  HybridMemoryPool pool({.name = "unlimited", .retain = 4 * kMiB});
  PressureMonitor monitor(undisturbed(false, 2 * resident_bytes() + 64 * kMiB));
  fill_and_generate(monitor, pool, "process", "pressure");
}

TEST_F(MemoryPressure, OfAControlGroup) {
  const testing::MemoryCgroup group(256 * kMiB);
  if (!group.why_not().empty()) GTEST_SKIP() << group.why_not();
  HybridMemoryPool pool({.name = "in a group", .retain = 4 * kMiB});
  PressureMonitor monitor(undisturbed(true));
  fill_and_generate(monitor, pool, "cgroup", "pressure");
}

}  // namespace
}  // namespace sterna
