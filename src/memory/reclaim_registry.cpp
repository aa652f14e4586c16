#include "memory/reclaim_registry.hpp"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "platform/process_memory.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

#if defined(__GLIBC__)
/// glibc keeps what was freed between blocks in use, and does not say how much of it went: the fall of the
/// resident bytes does, as far as other threads leave it alone.
std::uint64_t trim_heap(PressureLevel) {
  const std::uint64_t before = resident_bytes();
  if (::malloc_trim(0) == 0) return 0;
  const std::uint64_t after = resident_bytes();
  return before > after ? before - after : 0;
}
#endif

}  // namespace

ReclaimRegistry::ReclaimRegistry() : state_(std::make_unique<State>()) {}
ReclaimRegistry::~ReclaimRegistry() = default;

ReclaimHandle ReclaimRegistry::add(Reclaimable what, ReclaimCallback callback) {
  if (what.name.empty() || !callback) {
    throw Error(ErrorCategory::InvalidArgument, "what can be reclaimed needs a name and a function",
                {{"found", what.name}});
  }
  ReclaimHandle handle;
  handle.uses_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  handle.registration_ =
      Registration(state_->owners.add(State::Owner{std::move(what), handle.uses_}, std::move(callback)));
  return handle;
}

ReclaimHandle ReclaimRegistry::add(MemoryPool& pool) {
  return add({.name = pool.name(), .pool = pool.name()}, [&pool](PressureLevel effort) {
    return pool.trim(effort <= PressureLevel::Low ? Trim::Arenas : Trim::All);
  });
}

ReclaimRegistry& ReclaimRegistry::process() {
  // Never destroyed: sessions in static objects end their registrations after main.
  static ReclaimRegistry& registry = *[] {
    auto made = std::make_unique<ReclaimRegistry>();
    made->state().pool = made->add(default_pool());
#if defined(__GLIBC__)
    made->state().heap = made->add({.name = "heap"}, trim_heap);
#endif
    return made.release();
  }();
  return registry;
}

Registration watch_pool(PressureMonitor& monitor, MemoryPool& pool) {
  return monitor.watch(pool.name(), [&pool] {
    const PoolStats stats = pool.stats();
    return PoolUse{.used = stats.held, .limit = stats.limit, .events = pool.report().total.allocations};
  });
}

}  // namespace sterna
