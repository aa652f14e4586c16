// Marks for the address sanitizer, so that it sees uses of freed blocks and of bytes past a block's end.
#pragma once

#include <algorithm>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define STERNA_POOL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STERNA_POOL_ASAN 1
#endif
#endif

#ifdef STERNA_POOL_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

namespace sterna::pool {

#ifdef STERNA_POOL_ASAN

inline constexpr std::size_t kRedzone = 64;  ///< after each block, so that no two touch
/// Of a freed block so much is marked: the marks of a gibibyte would be 128 MiB.
inline constexpr std::size_t kPoisoned = std::size_t{8} << 20;

inline void poison(void* at, std::size_t bytes) noexcept {
  __asan_poison_memory_region(at, std::min(bytes, kPoisoned));
}
/// Only `used` of the block's bytes may be touched.
inline void unpoison(void* at, std::size_t used, std::size_t block) noexcept {
  __asan_unpoison_memory_region(at, block);
  __asan_poison_memory_region(static_cast<std::byte*>(at) + used, std::min(block - used, kPoisoned));
}
inline void unpoison_all(void* at, std::size_t bytes) noexcept {
  __asan_unpoison_memory_region(at, bytes);
}
/// Pointers in this memory keep what they point to from being called a leak.
inline void add_root(void* at, std::size_t bytes) noexcept {
  __lsan_register_root_region(at, bytes);
}
inline void remove_root(void* at, std::size_t bytes) noexcept {
  __lsan_unregister_root_region(at, bytes);
}

#else

inline constexpr std::size_t kRedzone = 0;
inline void poison(void*, std::size_t) noexcept {}
inline void unpoison(void*, std::size_t, std::size_t) noexcept {}
inline void unpoison_all(void*, std::size_t) noexcept {}
inline void add_root(void*, std::size_t) noexcept {}
inline void remove_root(void*, std::size_t) noexcept {}

#endif

}  // namespace sterna::pool
