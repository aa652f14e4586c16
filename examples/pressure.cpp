// Fills a pool of 64 MiB with copies that could be made again, and shows how a cleanup takes them back before
// it is full.
//
//   pressure
#include <sterna/sterna.hpp>

#include <cstring>
#include <iostream>
#include <vector>

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

void print(const sterna::CleanupReport& report) {
  for (const auto& ran : report.strategies) {
    std::cout << "cleanup " << ran.strategy << ':';
    const char* separator = " ";
    for (const auto& call : ran.calls) {
      std::cout << separator << call.name << ' ' << call.bytes / kMiB << " MiB";
      separator = ", ";
    }
    std::cout << "; the pools hold " << ran.pools_after / kMiB << " MiB instead of "
              << ran.pools_before / kMiB << '\n';
  }
}

}  // namespace

int main() {
  try {
    sterna::HybridMemoryPool pool({.name = "pool", .limit = 64 * kMiB});
    sterna::PressureMonitor monitor;
    const auto watching = sterna::watch_pool(monitor, pool);
    const auto telling = monitor.on_change(
        [](const sterna::PressureReport& report) {
          std::cout << "pressure " << to_string(report.level) << ' ' << report.source << '\n';
        },
        sterna::PressureLevel::Low, /*cool_down=*/0);

    std::vector<void*> copies;
    auto& registry = sterna::ReclaimRegistry::process();
    const auto trimming = registry.add(pool);
    const auto dropping =
        registry.add({.name = "copies", .cost = sterna::ReclaimCost::Cached, .pool = pool.name()},
                     [&](sterna::PressureLevel) {
                       const std::uint64_t bytes = copies.size() * 4 * kMiB;
                       for (void* copy : copies) pool.deallocate(copy);
                       copies.clear();
                       return bytes;
                     });

    // A server calls start() instead, and guards what its callbacks share with it.
    sterna::MemoryCleaner cleaner(monitor, {.strategies = {"device"}, .on_cleanup = print});
    for (int i = 0; i < 16; ++i) {
      copies.push_back(pool.allocate(4 * kMiB));
      std::memset(copies.back(), 1, 4 * kMiB);
      cleaner.run_once();
    }
    for (void* copy : copies) pool.deallocate(copy);
  } catch (const sterna::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
