// A pool's figures, and its life: what is made and undone with it.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checked.hpp"
#include "base/log.hpp"
#include "memory/pool/impl.hpp"
#include "memory/pool/poison.hpp"
#include "memory/tracking/leaks.hpp"
#include "platform/cpu.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

pool::HeapSettings heap_settings(const PoolOptions& options, const void* owner, bool large) {
  const bool none = !large && options.huge_pages == HugePages::LargeBlocks;
  return {owner, none ? HugePages::Never : options.huge_pages, options.lock,
          options.numa_node ? static_cast<int>(*options.numa_node) : -1, options.retain};
}

MemoryUsage& operator+=(MemoryUsage& sum, const MemoryUsage& usage) {
  sum.blocks += usage.blocks;
  sum.bytes += usage.bytes;
  sum.allocations += usage.allocations;
  sum.frees += usage.frees;
  return sum;
}

}  // namespace

HybridMemoryPool::Impl::Impl(PoolOptions options)
    : options_(std::move(options)),
      counting_(options_.tracking != TrackingLevel::Off),
      level_(options_.tracking),
      watched_(options_.tracking >= TrackingLevel::Standard),
      complete_(options_.tracking >= TrackingLevel::Standard),
      budget_(options_.limit),
      small_(heap_settings(options_, this, false), budget_),
      large_(heap_settings(options_, this, true), budget_) {
  if (options_.numa_node && *options_.numa_node >= cpu_info().numa_nodes) {
    throw Error(ErrorCategory::InvalidArgument, "no such NUMA node",
                {{"pool", options_.name},
                 {"found", std::to_string(*options_.numa_node)},
                 {"nodes", std::to_string(cpu_info().numa_nodes)}});
  }
  for (unsigned c = 0; c < slots_.size(); ++c) slots_[c].bind(small_, c);
  if (options_.tracking >= TrackingLevel::Detailed) tracker_.timeline().start();
  enlist();
}

HybridMemoryPool::Impl::~Impl() {
  delist();
  while (caches_ != nullptr) pool::ThreadCache::destroy(std::exchange(caches_, caches_->next));
}

PoolStats HybridMemoryPool::Impl::stats() const {
  PoolStats stats;
  const pool::HeapStats small = small_.stats();
  const pool::HeapStats large = large_.stats();
  stats.limit = budget_.limit();
  stats.peak_held = budget_.peak();
  stats.reserved = small.reserved + large.reserved;
  stats.free_runs = small.free_dirty + large.free_dirty;
  stats.held = small.used + large.used + stats.free_runs;
  stats.largest_free_run = std::max(small.largest_free, large.largest_free);
  for (const pool::Slots& slots : slots_) slots.add_to(stats.free_slots, stats.slack);
  {
    const std::lock_guard lock(caches_mutex_);
    for (const pool::ThreadCache* cache = caches_; cache != nullptr; cache = cache->next) {
      stats.cached += cache->cached_bytes.load(std::memory_order_relaxed);
    }
  }
  // Read one after the other, while other threads may go on: never below 0.
  const std::uint64_t unused = stats.free_runs + stats.free_slots + stats.slack + stats.cached;
  stats.used = stats.held - std::min(stats.held, unused);
  return stats;
}

void HybridMemoryPool::Impl::set_tracking(TrackingLevel level) {
  if ((level == TrackingLevel::Off) == counting_) {
    throw Error(ErrorCategory::InvalidArgument,
                "tracking is switched off or on when a pool is made, not later",
                {{"pool", options_.name}, {"found", std::string(to_string(level))}});
  }
  // What is allocated from here on is on the list; what was before is not, and may still be freed.
  if (level < TrackingLevel::Standard) complete_ = false;
  if (level >= TrackingLevel::Standard) watched_ = true;
  if (level >= TrackingLevel::Detailed) tracker_.timeline().start();
  level_.store(level, std::memory_order_relaxed);
}

std::vector<MemoryReport::SizeClass> HybridMemoryPool::Impl::usage_by_class() const {
  std::vector<MemoryReport::SizeClass> classes(pool::kClasses + 1);
  const std::lock_guard lock(caches_mutex_);
  for (unsigned c = 0; c <= pool::kClasses; ++c) {
    MemoryUsage& usage = classes[c].usage;
    // Frees first: one that is counted has had its allocation counted.
    usage.frees = counts_[c].frees.load(std::memory_order_relaxed);
    usage.allocations = counts_[c].allocations.load(std::memory_order_relaxed);
    if (c == pool::kNoClass) break;
    classes[c].block_bytes = pool::kSizeClasses[c].bytes;
    for (const pool::ThreadCache* cache = caches_; cache != nullptr; cache = cache->next) {
      usage.frees += cache->bins[c].frees.load(std::memory_order_relaxed);
      usage.allocations += cache->bins[c].allocations.load(std::memory_order_relaxed);
    }
  }
  for (unsigned c = 0; c <= pool::kClasses; ++c) {
    MemoryUsage& usage = classes[c].usage;
    usage.blocks = usage.allocations - std::min(usage.frees, usage.allocations);
    usage.bytes = c == pool::kNoClass ? unclassed_bytes_.load(std::memory_order_relaxed)
                                      : usage.blocks * classes[c].block_bytes;
  }
  return classes;
}

MemoryUsage HybridMemoryPool::Impl::usage() const {
  MemoryUsage sum;
  for (const auto& row : usage_by_class()) sum += row.usage;
  return sum;
}

MemoryReport HybridMemoryPool::Impl::report() const {
  MemoryReport report;
  report.pool = options_.name;
  report.level = tracking();
  for (const auto& row : usage_by_class()) {
    report.total += row.usage;
    if (row.usage.allocations > 0) report.by_class.push_back(row);
  }
  report.peak_bytes =
      std::max(static_cast<std::uint64_t>(peak_bytes_.load(std::memory_order_relaxed)), report.total.bytes);
  tracker_.add_to(report);
  return report;
}

HybridMemoryPool::HybridMemoryPool(PoolOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

HybridMemoryPool::~HybridMemoryPool() {
  const MemoryUsage usage = impl_->usage();
  if (usage.blocks == 0) return;
  try {
    log_warning(
        fmt::format("pool {}: destroyed with {} live blocks of {} bytes", name(), usage.blocks, usage.bytes));
    log_leaks(*this);
  } catch (...) {  // a sink that throws: the warnings are lost
  }
}

std::uint64_t HybridMemoryPool::trim(Trim what) {
  return impl_->trim(what);
}
const std::string& HybridMemoryPool::name() const noexcept {
  return impl_->name();
}
PoolStats HybridMemoryPool::stats() const {
  return impl_->stats();
}
void HybridMemoryPool::set_limit(std::uint64_t bytes) noexcept {
  impl_->set_limit(bytes);
}
TrackingLevel HybridMemoryPool::tracking() const noexcept {
  return impl_->tracking();
}
void HybridMemoryPool::set_tracking(TrackingLevel level) {
  impl_->set_tracking(level);
}
MemoryReport HybridMemoryPool::report() const {
  return impl_->report();
}
std::vector<LiveBlock> HybridMemoryPool::live_blocks(std::chrono::nanoseconds min_age) const {
  return impl_->tracker().live_blocks(min_age);
}

void HybridMemoryPool::write_timeline(const std::filesystem::path& file) const {
  if (tracking() < TrackingLevel::Detailed) {
    throw Error(ErrorCategory::Unsupported, "a pool has a timeline from tracking level detailed on",
                {{"pool", name()}, {"found", std::string(to_string(tracking()))}});
  }
  tracking::write_chrome_trace(file, name(), impl_->tracker().timeline().events());
}

std::size_t HybridMemoryPool::block_bytes(std::size_t bytes, std::size_t alignment) noexcept {
  const std::size_t size = round_up(std::max<std::size_t>(bytes + pool::kRedzone, 1), alignment);
  if (size > pool::kLargestClass || alignment > pool::kUnit) return round_up(size, pool::kUnit);
  return pool::kSizeClasses[pool::class_of(size)].bytes;
}

}  // namespace sterna
