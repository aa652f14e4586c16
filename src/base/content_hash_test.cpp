#include "base/content_hash.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace sterna {
namespace {

TEST(ContentHash, EveryBitAndTheLengthCount) {
  std::mt19937 random(1);
  std::vector<std::byte> bytes(200);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  std::set<std::uint64_t> high, low;
  const auto add = [&](Bytes content) {
    const ContentHash hash = content_hash(content);
    EXPECT_TRUE(high.insert(hash.high).second);
    EXPECT_TRUE(low.insert(hash.low).second);
  };
  for (std::size_t length = 0; length <= bytes.size(); ++length) add(Bytes(bytes).first(length));
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= std::byte{1} << bit % 8;
    add(bytes);
    bytes[bit / 8] ^= std::byte{1} << bit % 8;
  }
  // Zeros differ by their length alone.
  const std::vector<std::byte> zeros(100);
  for (std::size_t length = 1; length <= zeros.size(); ++length) add(Bytes(zeros).first(length));
  EXPECT_EQ(content_hash(bytes), content_hash(std::vector(bytes)));
}

}  // namespace
}  // namespace sterna
