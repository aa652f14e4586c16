#include "memory/pool/arena_heap.hpp"

#include <algorithm>

#include "base/checked.hpp"
#include "memory/pool/page_map.hpp"
#include "memory/pool/poison.hpp"
#include "platform/pages.hpp"

namespace sterna::pool {
namespace {

// Large enough that joined runs are of use, small enough that an empty one is soon given back.
constexpr std::size_t kArenaUnits = (std::size_t{32} << 20) / kUnit;
// A block of more than half an arena gets one of its own, of its own length.
constexpr std::size_t kOwnArenaUnits = kArenaUnits / 2;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
// How many runs of one bin are looked at, and how many that fit compared for the best.
constexpr int kLookedAt = 64;
constexpr int kCompared = 8;

std::size_t before_alignment(const Span* run, std::size_t alignment) noexcept {
  return (-reinterpret_cast<std::uintptr_t>(run->base) & (alignment - 1)) / kUnit;
}

bool fits(const Span* run, std::size_t units, std::size_t alignment) noexcept {
  const std::size_t before = before_alignment(run, alignment);
  return run->units >= units && run->units - units >= before;
}

/// Takes a span off the map: all of its units, if they were all entered.
void forget(const Span* span) noexcept {
  if (span->size_class != kNoClass && kSizeClasses[span->size_class].bytes <= kLargestSlot) {
    PageMap::set_all(span->base, span->units, nullptr);
  } else {
    PageMap::clear_ends(span);
  }
}

}  // namespace

ArenaHeap::~ArenaHeap() {
  while (arenas_ != nullptr) {
    Arena* const arena = arenas_;
    for (std::size_t at = 0; at < arena->units;) {  // used spans included
      const Span* const span = PageMap::find(arena->base + at * kUnit);
      at += span->units;
      forget(span);
    }
    unmap(arena);
  }
}

void ArenaHeap::insert(Span* run) noexcept {
  FreeRuns& runs = runs_of(run->state);
  const unsigned bin = bin_of(run->units);
  runs.bins[bin].push(run);
  runs.occupied[bin / 64] |= std::uint64_t{1} << bin % 64;
  PageMap::set_ends(run);
  if (run->state == Span::State::Dirty) dirty_bytes_ += run->bytes();
}

void ArenaHeap::remove(Span* run) noexcept {
  FreeRuns& runs = runs_of(run->state);
  const unsigned bin = bin_of(run->units);
  runs.bins[bin].remove(run);
  if (runs.bins[bin].empty()) runs.occupied[bin / 64] &= ~(std::uint64_t{1} << bin % 64);
  if (run->state == Span::State::Dirty) dirty_bytes_ -= run->bytes();
}

Span* ArenaHeap::find(const FreeRuns& runs, std::size_t units, std::size_t alignment) const noexcept {
  unsigned bin = bin_of(units);
  while (bin < kBins) {
    const std::uint64_t rest = runs.occupied[bin / 64] >> bin % 64;
    if (rest == 0) {
      bin = (bin / 64 + 1) * 64;
      continue;
    }
    bin += static_cast<unsigned>(std::countr_zero(rest));
    Span* best = nullptr;
    int looked_at = 0;
    int compared = 0;
    for (Span* run = runs.bins[bin].front(); run != nullptr && ++looked_at <= kLookedAt; run = run->next) {
      if (!fits(run, units, alignment)) continue;
      if (best == nullptr || run->units < best->units) best = run;
      if (++compared == kCompared) break;
    }
    if (best != nullptr) return best;
    ++bin;
  }
  return nullptr;
}

/// Enough descriptions for one allocation, so that nothing fails in the middle of it.
void ArenaHeap::reserve_spans() {
  constexpr std::size_t kNeeded = 4;  // a new arena's run, what is cut off on both sides, and one to spare
  constexpr std::size_t kTogether = 64;
  if (unused_count_ >= kNeeded) return;
  span_blocks_.push_back(std::make_unique<Span[]>(kTogether));
  for (std::size_t i = 0; i < kTogether; ++i) retire(&span_blocks_.back()[i]);
}

Span* ArenaHeap::new_span() noexcept {
  Span* span = unused_spans_.front();
  unused_spans_.remove(span);
  --unused_count_;
  span->owner = settings_.owner;
  span->fresh = false;
  span->size_class = kNoClass;
  return span;
}

void ArenaHeap::retire(Span* span) noexcept {
  unused_spans_.push(span);
  ++unused_count_;
}

Span* ArenaHeap::grow(std::size_t units, std::size_t alignment) {
  const std::size_t length = units > kOwnArenaUnits ? units : kArenaUnits;
  auto arena = std::make_unique<Arena>();
  std::byte* base = map_pages(length * kUnit, std::max(alignment, kHugePage));
  if (base == nullptr) return nullptr;
  const bool ready = PageMap::cover(base, length * kUnit) &&
                     (settings_.numa_node < 0 ||
                      bind_pages(base, length * kUnit, static_cast<unsigned>(settings_.numa_node))) &&
                     (!settings_.lock || lock_pages(base, length * kUnit));
  if (!ready) {
    unmap_pages(base, length * kUnit);
    return nullptr;
  }
  if (settings_.huge_pages == HugePages::Always) prefer_huge_pages(base, length * kUnit);
  Span* run = new_span();
  *arena = {base, length, 0, nullptr, arenas_};
  if (length <= kArenaUnits) add_root(base, length * kUnit);
  if (arenas_ != nullptr) arenas_->previous = arena.get();
  arenas_ = arena.release();
  reserved_ += length * kUnit;
  run->base = base;
  run->units = length;
  run->arena = arenas_;
  run->state = Span::State::Clean;
  insert(run);
  return run;
}

/// Shortens a run outside the bins to what is asked for; what is before and after it goes to the bins.
void ArenaHeap::cut(Span* run, std::size_t units, std::size_t alignment) {
  const auto split_off = [&](std::byte* base, std::size_t length) {
    Span* part = new_span();
    part->base = base;
    part->units = length;
    part->arena = run->arena;
    part->state = run->state;
    insert(part);
  };
  if (const std::size_t before = before_alignment(run, alignment); before > 0) {
    split_off(run->base, before);
    run->base += before * kUnit;
    run->units -= before;
  }
  if (run->units > units) {
    split_off(run->base + units * kUnit, run->units - units);
    run->units = units;
  }
}

/// For those that lie in the block whole: one that reaches beyond it would bring memory that nobody asked
/// for.
void ArenaHeap::ask_for_huge_pages(const Span* run) const noexcept {
  const std::size_t before = -reinterpret_cast<std::uintptr_t>(run->base) & (kHugePage - 1);
  if (before >= run->bytes()) return;
  const std::size_t whole = (run->bytes() - before) / kHugePage * kHugePage;
  if (whole > 0) prefer_huge_pages(run->base + before, whole);
}

Span* ArenaHeap::allocate(std::size_t units, std::size_t alignment, unsigned size_class, bool every_unit) {
  const std::lock_guard lock(mutex_);
  reserve_spans();
  Span* run = find(dirty_, units, alignment);
  if (run == nullptr) run = find(clean_, units, alignment);
  if (run == nullptr && dirty_bytes_ > 0) {
    discard_all();
    run = find(clean_, units, alignment);
  }
  if (run == nullptr) run = grow(units, alignment);
  if (run == nullptr) return nullptr;
  if (run->state == Span::State::Clean && !budget_.take(units * kUnit)) {
    if (dirty_bytes_ == 0) return nullptr;
    discard_all();  // may have joined the run to others
    run = find(clean_, units, alignment);
    if (run == nullptr || !budget_.take(units * kUnit)) return nullptr;
  }
  remove(run);
  cut(run, units, alignment);
  run->fresh = run->state == Span::State::Clean;
  if (run->fresh && settings_.huge_pages == HugePages::LargeBlocks) ask_for_huge_pages(run);
  run->state = Span::State::Used;
  run->size_class = static_cast<std::uint8_t>(size_class);
  run->arena->used_units += units;
  used_bytes_ += run->bytes();
  every_unit ? PageMap::set_all(run->base, units, run) : PageMap::set_ends(run);
  return run;
}

/// The run with its free neighbours of the same kind; all of them outside the bins.
Span* ArenaHeap::join(Span* run) noexcept {
  const Arena* const arena = run->arena;
  if (run->base != arena->base) {
    Span* const before = PageMap::find(run->base - kUnit);
    if (before->state == run->state) {
      remove(before);
      PageMap::clear_ends(before);
      PageMap::clear_ends(run);
      before->units += run->units;
      retire(run);
      run = before;
    }
  }
  if (run->base + run->bytes() != arena->base + arena->units * kUnit) {
    Span* const after = PageMap::find(run->base + run->bytes());
    if (after->state == run->state) {
      remove(after);
      PageMap::clear_ends(after);
      PageMap::clear_ends(run);
      run->units += after->units;
      retire(after);
    }
  }
  return run;
}

/// A dirty run outside the bins becomes a clean one in them.
void ArenaHeap::discard(Span* run) noexcept {
  unpoison_all(run->base, run->bytes());
  discard_pages(run->base, run->bytes(), settings_.lock);
  poison(run->base, run->bytes());
  budget_.give(run->bytes());
  run->state = Span::State::Clean;
  insert(join(run));
}

void ArenaHeap::discard_all() noexcept {
  for (SpanList& bin : dirty_.bins) {
    while (!bin.empty()) {
      Span* const run = bin.front();
      remove(run);
      discard(run);
    }
  }
}

void ArenaHeap::free(Span* span) noexcept {
  const std::lock_guard lock(mutex_);
  Arena* const arena = span->arena;
  forget(span);
  arena->used_units -= span->units;
  used_bytes_ -= span->bytes();
  span->size_class = kNoClass;
  span->fresh = false;
  span->state = Span::State::Dirty;
  Span* const run = join(span);
  if (dirty_bytes_ + run->bytes() <= settings_.retain) {
    insert(run);
    return;
  }
  discard(run);
  if (arena->used_units == 0 && arena->units > kArenaUnits) drop(arena);
}

void ArenaHeap::release() noexcept {
  const std::lock_guard lock(mutex_);
  discard_all();
  for (Arena* arena = arenas_; arena != nullptr;) {
    Arena* const next = arena->next;
    if (arena->used_units == 0) drop(arena);
    arena = next;
  }
}

/// Gives an arena without used runs back.
void ArenaHeap::drop(Arena* arena) noexcept {
  for (std::size_t at = 0; at < arena->units;) {
    Span* const run = PageMap::find(arena->base + at * kUnit);
    at += run->units;
    remove(run);
    if (run->state == Span::State::Dirty) budget_.give(run->bytes());
    PageMap::clear_ends(run);
    retire(run);
  }
  unmap(arena);
}

void ArenaHeap::unmap(Arena* arena) noexcept {
  unpoison_all(arena->base, arena->units * kUnit);
  if (arena->units <= kArenaUnits) remove_root(arena->base, arena->units * kUnit);
  unmap_pages(arena->base, arena->units * kUnit);
  reserved_ -= arena->units * kUnit;
  (arena->previous != nullptr ? arena->previous->next : arenas_) = arena->next;
  if (arena->next != nullptr) arena->next->previous = arena->previous;
  delete arena;
}

HeapStats ArenaHeap::stats() const {
  const std::lock_guard lock(mutex_);
  HeapStats stats{reserved_, used_bytes_, dirty_bytes_, 0};
  for (const FreeRuns* runs : {&clean_, &dirty_}) {
    for (const SpanList& bin : runs->bins) {
      for (const Span* run = bin.front(); run != nullptr; run = run->next) {
        stats.largest_free = std::max<std::uint64_t>(stats.largest_free, run->bytes());
      }
    }
  }
  return stats;
}

}  // namespace sterna::pool
