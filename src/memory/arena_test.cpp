#include "memory/arena.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "sterna/error.hpp"

namespace sterna {
namespace {

TEST(AlignedBuffer, IsAlignedAndZeroAtEverySize) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{65}, std::size_t{4096}, std::size_t{3} << 20}) {
    const AlignedBuffer buffer(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % AlignedBuffer::kAlignment, 0u);
    EXPECT_TRUE(
        std::all_of(buffer.data(), buffer.data() + bytes, [](std::byte b) { return b == std::byte{0}; }));
  }
  EXPECT_EQ(AlignedBuffer(0).data(), nullptr);
}

TEST(AlignedBuffer, MovesItsMemory) {
  AlignedBuffer a(100);
  std::byte* const data = a.data();
  AlignedBuffer b(std::move(a));
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(a.data(), nullptr);  // NOLINT(bugprone-use-after-move): empty by contract
}

TEST(AlignedBuffer, SaysWhenThereIsNoMemory) {
  try {
    const AlignedBuffer buffer(std::size_t{1} << 60);
    FAIL() << "got " << buffer.size() << " bytes";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Limit);
  }
}

TEST(Arena, HandsOutDisjointAlignedArrays) {
  std::span<float> x;
  std::span<std::int8_t> y, z;
  const Arena arena = Arena::sized_by([&](Arena& a) {
    x = a.array<float>(3);
    y = a.array<std::int8_t>(100);
    z = a.array<std::int8_t>(1);
  });
  EXPECT_EQ(arena.bytes(), 64u + 128u + 64u);
  std::fill(x.begin(), x.end(), 1.0f);
  std::fill(y.begin(), y.end(), std::int8_t{2});
  z[0] = 3;
  EXPECT_EQ(x[2], 1.0f);
  EXPECT_EQ(y[99], 2);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(z.data()) % 64, 0u);
}

}  // namespace
}  // namespace sterna
