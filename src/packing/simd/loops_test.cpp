// The loops in vectors against the reference, byte for byte, in groups of every size.
#include "packing/simd/loops.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <string>

#include "support/exact_buffer.hpp"

namespace sterna::packing {
namespace {

struct Case {
  const char* name;
  std::size_t codes;  ///< in a byte
  int least;
  int most;
  PackLoop PackingLoops::*pack;
  UnpackLoop PackingLoops::*unpack;
};
constexpr std::array kCases{
    Case{"2 bits, first highest", 4, -1, 1, &PackingLoops::pack2_high, &PackingLoops::unpack2_high},
    Case{"2 bits, first lowest", 4, -1, 1, &PackingLoops::pack2_low, &PackingLoops::unpack2_low},
    Case{"4 bits", 2, -8, 7, &PackingLoops::pack4_low, &PackingLoops::unpack4_low},
    Case{"base 3", 5, -1, 1, &PackingLoops::pack_base3, &PackingLoops::unpack_base3},
};

TEST(PackingLoops, GiveTheBytesOfTheReference) {
  std::minstd_rand random(1);
  for (const Case& each : kCases) {
    for (std::size_t stride = 0; stride <= 300; ++stride) {
      const std::size_t groups = 1 + stride % 3;
      const std::size_t bytes = groups * stride;
      testing::ExactBuffer<std::int8_t> values(bytes * each.codes);
      const auto range = static_cast<unsigned>(each.most - each.least + 1);
      for (auto& v : values) v = static_cast<std::int8_t>(each.least + static_cast<int>(random() % range));
      testing::ExactBuffer<std::uint8_t> found(bytes);
      testing::ExactBuffer<std::uint8_t> expected(bytes);
      (loops().*each.pack)(values.data(), groups, stride, found.data());
      (scalar_loops().*each.pack)(values.data(), groups, stride, expected.data());
      testing::ExactBuffer<std::int8_t> back(values.size());
      (loops().*each.unpack)(found.data(), groups, stride, back.data());
      for (std::size_t i = 0; i < bytes; ++i) ASSERT_EQ(found[i], expected[i]) << each.name << ", " << stride;
      for (std::size_t i = 0; i < back.size(); ++i)
        ASSERT_EQ(back[i], values[i]) << each.name << ", " << stride;

      for (auto& byte : found) byte = static_cast<std::uint8_t>(random());  // also those that no pack writes
      testing::ExactBuffer<std::int8_t> reference(values.size());
      (loops().*each.unpack)(found.data(), groups, stride, back.data());
      (scalar_loops().*each.unpack)(found.data(), groups, stride, reference.data());
      for (std::size_t i = 0; i < back.size(); ++i) {
        ASSERT_EQ(back[i], reference[i]) << each.name << ", " << stride;
      }
    }
  }
}

TEST(PackingLoops, ByHand) {
  const std::int8_t trits[] = {-1, 0, 1, 1};
  std::uint8_t byte = 0;
  loops().pack2_high(trits, 1, 1, &byte);
  EXPECT_EQ(byte, 0b00'01'10'10);
  loops().pack2_low(trits, 1, 1, &byte);
  EXPECT_EQ(byte, 0b10'10'01'00);
  const std::int8_t nibbles[] = {-8, 7};
  loops().pack4_low(nibbles, 1, 1, &byte);
  EXPECT_EQ(byte, 0xf0);
  const std::int8_t five[] = {1, 1, 1, 1, 0};  // 22221 in base 3: 241 of 243, 253.9 of 256
  loops().pack_base3(five, 1, 1, &byte);
  EXPECT_EQ(byte, 254);
}

}  // namespace
}  // namespace sterna::packing
