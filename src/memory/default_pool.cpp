#include <cstddef>
#include <new>

#include "sterna/error.hpp"
#include "sterna/memory.hpp"

namespace sterna {

MemoryPool& default_pool(Device device) {
  if (device != Device{}) {
    throw Error(
        ErrorCategory::Unsupported, "no memory pool for this device",
        {{"kind", std::to_string(static_cast<int>(device.kind))}, {"index", std::to_string(device.index)}});
  }
  // Never destroyed: objects that live as long as the process free their blocks after main.
  alignas(HybridMemoryPool) static std::byte memory[sizeof(HybridMemoryPool)];
  static HybridMemoryPool* const pool = new (memory) HybridMemoryPool({.name = "host"});
  return *pool;
}

}  // namespace sterna
