// Each thread's caches, one for every pool it used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "memory/pool/thread_cache.hpp"
#include "sterna/memory.hpp"

namespace sterna::pool {

/// So many pools may have caches at a time; any beyond them work without.
inline constexpr std::size_t kCachedPools = 32;

/// A place in a thread's table. The pool that made the cache may be gone, and another have its place: the
/// generation tells.
struct CachePlace {
  std::uint64_t generation = 0;
  ThreadCache* cache = nullptr;
};
extern thread_local constinit CachePlace caches_of_thread[kCachedPools];

}  // namespace sterna::pool
