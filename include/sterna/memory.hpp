// Memory pools: where every buffer and tensor of the library comes from, what each holds, and who asked for
// it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/device.hpp"

namespace sterna {

/// What a block is for, as reports group it.
enum class MemoryTag : std::uint8_t { General, Weights, KvCache, Activations, Tensor, Scratch };
inline constexpr std::size_t kMemoryTags = 6;
std::string_view to_string(MemoryTag tag) noexcept;

/// How much a pool writes down; each level includes those before it.
///   Off       nothing: PoolStats only, which come from the free lists themselves
///   Counters  blocks and bytes, now, at most and in all, by size class; some nanoseconds
///   Standard  every live block with tag, size and age; latencies of allocate and free
///   Detailed  the last kTimelineEvents operations with their times
///   Debug     the call stack of every live block
enum class TrackingLevel : std::uint8_t { Off, Counters, Standard, Detailed, Debug };
std::string_view to_string(TrackingLevel level) noexcept;

enum class HugePages : std::uint8_t {
  Never,
  LargeBlocks,  ///< asked for where a block holds them whole, so of 2 MiB and more
  Always,       ///< asked for everywhere
};

/// What trim() gives back.
enum class Trim : std::uint8_t {
  Caches,  ///< blocks in the caches of threads go back to the pool
  Arenas,  ///< free memory of the pool goes back to the system
  All,     ///< first the one, then the other
};

struct PoolOptions {
  std::string name = "pool";  ///< in errors and reports
  /// Bytes the pool may hold from the system (PoolStats::held); 0: no limit but the system's.
  std::uint64_t limit = 0;
  /// Bytes of free memory kept for reuse among small blocks, and as many among large ones; what is freed
  /// beyond them goes back to the system at once.
  std::uint64_t retain = std::uint64_t{64} << 20;
  HugePages huge_pages = HugePages::LargeBlocks;
  std::optional<unsigned> numa_node = {};  ///< bind to the node of this logical index
  /// Pages, once touched, are never swapped out. Where the system refuses (RLIMIT_MEMLOCK), the pool has no
  /// memory.
  bool lock = false;
  TrackingLevel tracking = TrackingLevel::Counters;
};

/// What a pool holds, in bytes, added up from its free lists. Every byte of `held` is in exactly one of the
/// five that follow it.
struct PoolStats {
  std::uint64_t limit = 0;       ///< 0: none
  std::uint64_t reserved = 0;    ///< addresses mapped; costs nothing until touched
  std::uint64_t held = 0;        ///< handed out, cached, or free but touched: what may be resident
  std::uint64_t used = 0;        ///< blocks in the hands of callers, each as large as its size class
  std::uint64_t cached = 0;      ///< freed blocks in the caches of threads
  std::uint64_t free_slots = 0;  ///< free places between used small blocks
  std::uint64_t slack = 0;       ///< what remains at the end of a span of small blocks
  std::uint64_t free_runs = 0;   ///< whole free pages that were touched
  std::uint64_t peak_held = 0;
  std::uint64_t largest_free_run = 0;  ///< the longest run of free pages, touched or not

  /// The share of `held` that no block uses: 0 is none. After trim() it is what cannot be given back.
  double fragmentation() const noexcept {
    return held == 0 ? 0 : 1 - static_cast<double>(used) / static_cast<double>(held);
  }
};

/// Blocks and bytes.
struct MemoryUsage {
  std::uint64_t blocks = 0;       ///< alive
  std::uint64_t bytes = 0;        ///< alive
  std::uint64_t allocations = 0;  ///< ever
  std::uint64_t frees = 0;        ///< ever
};

/// How often something took how long. Bucket b counts durations in [bound(b), bound(b + 1)) nanoseconds.
struct LatencyHistogram {
  static constexpr std::size_t kBuckets = 128;  // four to a doubling, up to eight seconds
  std::array<std::uint64_t, kBuckets> counts{};

  static std::uint64_t bound(std::size_t bucket) noexcept;
  static std::size_t bucket(std::uint64_t nanoseconds) noexcept;
  std::uint64_t total() const noexcept;
  /// The upper bound of the bucket that holds the share q ∈ [0, 1] of all; 0 when there are none.
  std::uint64_t quantile(double q) const noexcept;
};

struct MemoryReport {
  struct SizeClass {
    std::size_t block_bytes = 0;  ///< 0: blocks beyond the size classes
    MemoryUsage usage;
  };

  std::string pool;
  Device device;
  TrackingLevel level = TrackingLevel::Off;
  MemoryUsage total;                  ///< bytes of blocks, each as large as its size class
  std::uint64_t requested_bytes = 0;  ///< bytes asked for, alive; from Standard on
  /// The most bytes of `total` at once. Exact when the level was never below Standard; at Counters threads
  /// add up their changes by 8 MiB, and it may be wrong by that much for each.
  std::uint64_t peak_bytes = 0;
  std::vector<SizeClass> by_class;  ///< those with allocations, the smallest first
  /// Bytes asked for, of blocks allocated at Standard and above.
  std::array<MemoryUsage, kMemoryTags> by_tag{};
  LatencyHistogram allocate_latency, free_latency;  ///< from Standard on
};

/// A block that is alive.
struct LiveBlock {
  const void* address = nullptr;
  std::size_t bytes = 0;  ///< asked for
  MemoryTag tag = MemoryTag::General;
  std::chrono::nanoseconds age{0};
  std::uint64_t thread = 0;             ///< a number for each thread, from 1
  std::vector<std::string> stack = {};  ///< innermost first, "function at file:line"; empty below Debug
};

/// Memory of one device. All functions may be called from any thread at once; a block may be freed by another
/// thread than its own. Destroying a pool returns everything it holds, live blocks included: by then no
/// thread may use it or its blocks, but threads that did may live on. It warns the log sink of live blocks.
class MemoryPool {
 public:
  static constexpr std::size_t kAlignment = 64;  ///< a cache line, and the widest vector load
  static constexpr std::size_t kMaxAlignment = std::size_t{2} << 20;

  MemoryPool() = default;
  virtual ~MemoryPool() = default;
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  /// At least `bytes` of any content, at a multiple of `alignment`: a power of two up to kMaxAlignment. Never
  /// null, and no two live blocks are the same, those of 0 bytes included. Throws InvalidArgument
  /// (alignment), Limit (pool, asked, held, limit) when the pool's limit or the system's memory is reached;
  /// the pool stays usable.
  virtual void* allocate(std::size_t bytes, std::size_t alignment = kAlignment,
                         MemoryTag tag = MemoryTag::General) = 0;
  /// The same, all bytes 0. From 2 MiB on, pages that are not touched cost no memory.
  virtual void* allocate_zeroed(std::size_t bytes, std::size_t alignment = kAlignment,
                                MemoryTag tag = MemoryTag::General) = 0;
  /// Frees a block; null is nothing to free. What is visibly not a live block of this pool is left alone,
  /// with a warning to the log sink.
  virtual void deallocate(void* block) noexcept = 0;

  /// Gives memory back; see Trim. Returns the bytes that went to the system (fewer, where other threads
  /// allocate meanwhile). Other threads' caches are emptied too, but for those in the middle of an operation.
  virtual std::uint64_t trim(Trim what = Trim::All) = 0;

  virtual const std::string& name() const noexcept = 0;
  virtual Device device() const noexcept = 0;
  virtual PoolStats stats() const = 0;
  /// New limit on PoolStats::held; 0: none. One below what is held stops further growth and frees nothing.
  virtual void set_limit(std::uint64_t bytes) noexcept = 0;

  virtual TrackingLevel tracking() const noexcept = 0;
  /// Another level from now on. A pool made with Off stays so, and others never become so: throws
  /// InvalidArgument. Blocks allocated below Standard have no tag, age or stack.
  virtual void set_tracking(TrackingLevel level) = 0;
  virtual MemoryReport report() const = 0;
  /// Blocks that are alive and at least so old, the oldest first. Empty below Standard. In Debug this names
  /// the functions on their stacks, which takes milliseconds.
  virtual std::vector<LiveBlock> live_blocks(std::chrono::nanoseconds min_age = {}) const = 0;
  /// Writes the timeline (from Detailed on) as Chrome trace events, which Perfetto opens. Throws Io, and
  /// Unsupported at lower levels.
  virtual void write_timeline(const std::filesystem::path& file) const = 0;
};

inline constexpr std::size_t kTimelineEvents = std::size_t{1} << 16;

/// The host's memory, in two parts that share nothing but the limit.
///
/// Small blocks, under 1 MiB: size classes (multiples of 16 bytes to 128, then eight to a doubling), so that
/// a block is at most 12.5 % (below 128 bytes: 15 bytes) larger than the size asked for, itself a multiple of
/// the alignment. Places for them are cut from spans of pages.
/// Large blocks: runs of pages in arenas. Neighbouring free runs are joined. Up to 8 MiB sizes are rounded as
/// above, so that freed blocks fit the next ones; beyond that to pages.
/// Each thread caches the blocks it freed, up to 16 MiB, and allocates from there first.
class HybridMemoryPool final : public MemoryPool {
 public:
  /// Throws InvalidArgument (a NUMA node that the machine does not have).
  explicit HybridMemoryPool(PoolOptions options = {});
  ~HybridMemoryPool() override;

  void* allocate(std::size_t bytes, std::size_t alignment = kAlignment,
                 MemoryTag tag = MemoryTag::General) override;
  void* allocate_zeroed(std::size_t bytes, std::size_t alignment = kAlignment,
                        MemoryTag tag = MemoryTag::General) override;
  void deallocate(void* block) noexcept override;
  std::uint64_t trim(Trim what = Trim::All) override;
  const std::string& name() const noexcept override;
  Device device() const noexcept override { return {}; }
  PoolStats stats() const override;
  void set_limit(std::uint64_t bytes) noexcept override;
  TrackingLevel tracking() const noexcept override;
  void set_tracking(TrackingLevel level) override;
  MemoryReport report() const override;
  std::vector<LiveBlock> live_blocks(std::chrono::nanoseconds min_age = {}) const override;
  void write_timeline(const std::filesystem::path& file) const override;

  /// The bytes of the block that such a request gets.
  static std::size_t block_bytes(std::size_t bytes, std::size_t alignment = kAlignment) noexcept;

 private:
  class Impl;
  struct Registry;
  friend MemoryUsage device_usage(Device device);

  std::unique_ptr<Impl> impl_;
};

/// The pool that everything of the library on this device comes from. It is never destroyed. Throws
/// Unsupported for a device that has none.
MemoryPool& default_pool(Device device = {});

/// What all pools of a device have handed out; pools at level Off add nothing.
MemoryUsage device_usage(Device device = {});

/// From now on, when the process exits, the blocks of the default pool that are still alive are reported to
/// the log sink, one warning each (up to a hundred), with stack if there is one. Needs level Standard.
void log_leaks_at_exit();

/// A pool for the standard's polymorphic allocators: std::pmr::vector<float> v(&resource). Holds no memory of
/// its own; the pool must outlive it. Throws what the pool throws.
class PoolResource final : public std::pmr::memory_resource {
 public:
  explicit PoolResource(MemoryPool& pool = default_pool(), MemoryTag tag = MemoryTag::General) noexcept
      : pool_(&pool), tag_(tag) {}
  MemoryPool& pool() const noexcept { return *pool_; }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    return pool_->allocate(bytes, alignment, tag_);
  }
  void do_deallocate(void* block, std::size_t, std::size_t) override { pool_->deallocate(block); }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    const auto* resource = dynamic_cast<const PoolResource*>(&other);
    return resource != nullptr && resource->pool_ == pool_;
  }

  MemoryPool* pool_;
  MemoryTag tag_;
};

}  // namespace sterna
