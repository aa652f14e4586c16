#include "memory/pool/page_map.hpp"

#include "platform/pages.hpp"

namespace sterna::pool {

constinit std::atomic<PageMap::Leaf*> PageMap::leaves_[kLeaves] = {};

bool PageMap::cover(const std::byte* base, std::size_t bytes) noexcept {
  const std::uintptr_t first = reinterpret_cast<std::uintptr_t>(base) / kUnit / kLeafUnits;
  const std::uintptr_t last = (reinterpret_cast<std::uintptr_t>(base) + bytes - 1) / kUnit / kLeafUnits;
  if (last >= kLeaves) return false;
  for (std::uintptr_t i = first; i <= last; ++i) {
    if (leaves_[i].load(std::memory_order_acquire) != nullptr) continue;
    std::byte* memory = map_pages(sizeof(Leaf), page_bytes());
    if (memory == nullptr) return false;
    Leaf* expected = nullptr;
    // Mapped pages are zeros, and so null pointers.
    if (!leaves_[i].compare_exchange_strong(expected, reinterpret_cast<Leaf*>(memory),
                                            std::memory_order_acq_rel)) {
      unmap_pages(memory, sizeof(Leaf));
    }
  }
  return true;
}

}  // namespace sterna::pool
