#include "platform/crc32c.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace sterna {
namespace {

// RFC 3720, B.4, and the check value of the catalogues of CRCs.
TEST(Crc32c, GivesThePublishedValues) {
  for (const auto crc : {crc32c, crc32c_by_table}) {
    EXPECT_EQ(crc(as_bytes("123456789"), 0), 0xE3069283u);
    EXPECT_EQ(crc({}, 0), 0u);
    std::vector<std::byte> bytes(32);
    EXPECT_EQ(crc(bytes, 0), 0x8A9136AAu);
    std::fill(bytes.begin(), bytes.end(), std::byte{0xff});
    EXPECT_EQ(crc(bytes, 0), 0x62A8AB43u);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
    EXPECT_EQ(crc(bytes, 0), 0x46DD794Eu);
  }
}

TEST(Crc32c, InstructionAndTableAgreeAtAnyLengthAndCut) {
  std::mt19937 random(1);
  std::vector<std::byte> bytes(300);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  for (std::size_t length = 0; length <= bytes.size(); ++length) {
    const Bytes part(bytes.data() + bytes.size() - length, length);  // at every alignment
    const std::uint32_t whole = crc32c_by_table(part);
    EXPECT_EQ(crc32c(part), whole) << length;
    EXPECT_EQ(crc32c(part.subspan(length / 3), crc32c(part.first(length / 3))), whole) << length;
  }
}

}  // namespace
}  // namespace sterna
