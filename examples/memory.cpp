// A memory pool with a limit: standard containers in it, what it knows of its blocks, and memory given back.
//
//   memory [TRACE.json]      writes the timeline, which https://ui.perfetto.dev opens
#include <sterna/sterna.hpp>

#include <cstring>
#include <iostream>
#include <memory_resource>
#include <numeric>
#include <vector>

int main(int argc, char** argv) {
  using sterna::MemoryTag;
  try {
    sterna::HybridMemoryPool pool(
        {.name = "example", .limit = 64 << 20, .tracking = sterna::TrackingLevel::Detailed});

    // Standard containers take the pool as a memory resource.
    sterna::PoolResource scratch(pool, MemoryTag::Scratch);
    {
      std::pmr::vector<float> values(1 << 20, &scratch);
      std::iota(values.begin(), values.end(), 0.0f);
      std::cout << "the sum of " << values.size() << " floats is "
                << std::accumulate(values.begin(), values.end(), 0.0) << '\n';
    }

    // Plain blocks; from 2 MiB on, zeroed ones cost nothing until they are touched.
    void* const cache = pool.allocate_zeroed(32 << 20, sterna::MemoryPool::kAlignment, MemoryTag::KvCache);
    std::memset(cache, 1, 1 << 20);

    // The limit is an error with figures, after which the pool goes on.
    try {
      pool.allocate(48 << 20);
    } catch (const sterna::Error& error) {
      std::cout << "refused: " << error.what() << '\n';
    }

    const sterna::MemoryReport report = pool.report();
    std::cout << report.total.blocks << " block of " << report.requested_bytes << " bytes alive, "
              << report.total.allocations << " allocated, at most " << report.peak_bytes
              << " bytes at once\n";
    for (const sterna::LiveBlock& block : pool.live_blocks()) {
      std::cout << "alive: " << block.bytes << " bytes, " << to_string(block.tag) << '\n';
    }
    pool.deallocate(cache);
    pool.trim();
    std::cout << pool.stats().held << " bytes held after trim\n";
    if (argc > 1) pool.write_timeline(argv[1]);
  } catch (const sterna::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
