#include "base/read_streams.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace sterna {
namespace {

TEST(ReadStreams, VisitEveryLineOnceButTheLastFew) {
  for (const std::size_t bytes : {0, 1, 255, 256, 257, 1000, 4096, 10'000}) {
    const std::vector<std::byte> data(bytes);
    std::multiset<std::size_t> lines;
    const std::size_t visited = read_in_streams(data.data(), bytes, [&](const std::byte* line) {
      lines.insert(static_cast<std::size_t>(line - data.data()));
    });
    EXPECT_LE(visited, bytes);
    EXPECT_LT(bytes - visited, 4 * kCacheLine);
    ASSERT_EQ(lines.size() * kCacheLine, visited) << bytes;
    std::size_t expected = 0;
    for (const std::size_t line : lines) EXPECT_EQ(line, kCacheLine * expected++);
  }
}

}  // namespace
}  // namespace sterna
