#include "memory/arena.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "platform/process_memory.hpp"
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

TEST(Arena, ArraysThatTakeTurnsShareMemory) {
  std::span<float> before, a, b, c, after;
  const Arena arena = Arena::sized_by([&](Arena& each) {
    before = each.array<float>(16);
    each.take_turns(
        [&](Arena& first) {
          a = first.array<float>(16);
          b = first.array<float>(16);
        },
        [&](Arena& second) { c = second.array<float>(48); });
    after = each.array<float>(16);
  });
  EXPECT_EQ(arena.bytes(), (16 + 48 + 16) * sizeof(float));
  EXPECT_EQ(a.data(), before.data() + 16);
  EXPECT_EQ(b.data(), a.data() + 16);
  EXPECT_EQ(c.data(), a.data());
  EXPECT_EQ(after.data(), c.data() + 48);
}

TEST(AlignedBuffer, ReleasesWholePagesOfALargeOne) {
  constexpr std::size_t kBytes = std::size_t{8} << 20, kMiB = std::size_t{1} << 20;
  AlignedBuffer buffer(kBytes);
  buffer.release(0, kBytes);
  EXPECT_EQ(buffer.release(0, kBytes), 0u);  // nothing is left
  std::memset(buffer.data(), 1, kBytes);
  const std::uint64_t before = resident_bytes();
  const std::uint64_t released = buffer.release(kMiB + 1, kBytes);
  EXPECT_LE(released, 7 * kMiB - 1);
  EXPECT_GT(released, 7 * kMiB - (std::size_t{128} << 10));  // the largest page is 64 KiB
  EXPECT_LT(resident_bytes(), before - 6 * kMiB);
  EXPECT_EQ(std::count(buffer.data(), buffer.data() + kBytes, std::byte{1}),
            static_cast<std::ptrdiff_t>(kBytes - released));
  EXPECT_EQ(buffer.data()[kMiB], std::byte{1});
  EXPECT_EQ(buffer.release(5, 5), 0u);
}

TEST(Arena, ReleasesAllArraysButOne) {
  constexpr std::size_t kCount = std::size_t{1} << 20;
  std::span<std::int32_t> a, b, c;
  Arena arena = Arena::sized_by([&](Arena& to) {
    a = to.array<std::int32_t>(kCount);
    b = to.array<std::int32_t>(kCount);
    c = to.array<std::int32_t>(kCount);
  });
  for (const auto array : {a, b, c}) std::fill(array.begin(), array.end(), 7);
  EXPECT_GT(arena.release_all_but(b), 2 * a.size_bytes() - (std::size_t{256} << 10));
  EXPECT_EQ(std::count(b.begin(), b.end(), 7), static_cast<std::ptrdiff_t>(kCount));
  EXPECT_EQ(a[kCount / 2] + c[kCount / 2], 0);
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
