#include "packing/codec.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <string>

#include "sterna/error.hpp"
#include "support/exact_buffer.hpp"

namespace sterna {
namespace {

using Trits = std::vector<std::int8_t>;
using Buffer = std::vector<std::byte>;

/// Trits of which the share `nonzero` is not 0.
Trits random_trits(std::size_t n, double nonzero, unsigned seed) {
  std::mt19937 random(seed);
  Trits trits(n);
  for (auto& trit : trits) {
    const bool some = static_cast<double>(random() % 1000) < nonzero * 1000;
    trit = static_cast<std::int8_t>(some ? (random() & 1 ? 1 : -1) : 0);
  }
  return trits;
}

Buffer encoded(const Codec& codec, const Trits& trits, std::uint64_t cols) {
  Buffer bytes;
  codec.encode(trits, cols, bytes);
  return bytes;
}

/// In memory of exactly these sizes, so that the address sanitizer sees a step too far.
std::size_t decode(const Codec& codec, Bytes bytes, std::uint64_t cols, Trits& trits) {
  testing::ExactBuffer<std::byte> from(bytes.size());
  std::ranges::copy(bytes, from.begin());
  testing::ExactBuffer<std::int8_t> to(trits.size());
  const std::size_t used = codec.decode({from.data(), from.size()}, cols, {to.data(), to.size()});
  std::ranges::copy(to, trits.begin());
  return used;
}

std::vector<std::string> hex_of(const Buffer& bytes) {
  std::vector<std::string> text;
  for (const std::byte byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(byte));
    text.emplace_back(digits);
  }
  return text;
}

TEST(Codec, IdsAndNamesAreFixed) {
  const std::vector<std::string_view> names{"int8", "2bit", "base3", "aligned", "runs", "sparse", "hybrid"};
  ASSERT_EQ(codec_table().size(), names.size());
  for (std::size_t id = 0; id < names.size(); ++id) {
    EXPECT_EQ(codec_table()[id].id, id);
    EXPECT_EQ(codec_table()[id].name, names[id]);
    EXPECT_EQ(find_codec(static_cast<std::uint8_t>(id)), &codec_table()[id]);
    EXPECT_EQ(find_codec(names[id]), &codec_table()[id]);
  }
  EXPECT_EQ(find_codec("none"), nullptr);
  EXPECT_EQ(find_codec(std::uint8_t{7}), nullptr);
}

// Bytes worked out by hand from the diagrams, of two rows: + 0 − 0 0 0 / 0 0 0 0 − −
TEST(Codec, KnownBytes) {
  const Trits trits{1, 0, -1, 0, 0, 0, 0, 0, 0, 0, -1, -1};
  using Hex = std::vector<std::string>;
  EXPECT_EQ(hex_of(encoded(codec_table()[0], trits, 6)),
            (Hex{"01", "00", "ff", "00", "00", "00", "00", "00", "00", "00", "ff", "ff"}));
  // Codes 2 1 0 1 | 1 1 1 1 | 1 1 0 0, the first in the lowest bits.
  EXPECT_EQ(hex_of(encoded(codec_table()[1], trits, 6)), (Hex{"46", "55", "05"}));
  // Digits 2 1 0 1 1 = 193 → ⌈203.3⌉ = 204; 1 1 1 1 1 = 121 → 128; 0 0 (0 0 0) = 0.
  EXPECT_EQ(hex_of(encoded(codec_table()[2], trits, 6)), (Hex{"cc", "80", "00"}));
  const Buffer aligned = encoded(codec_table()[3], trits, 6);
  ASSERT_EQ(aligned.size(), 128u);
  EXPECT_EQ(hex_of({aligned.begin(), aligned.begin() + 3}), (Hex{"46", "05", "00"}));
  EXPECT_EQ(hex_of({aligned.begin() + 64, aligned.begin() + 67}), (Hex{"55", "00", "00"}));
  // Runs of 1, 1, 1, 7 and 2.
  EXPECT_EQ(hex_of(encoded(codec_table()[4], trits, 6)), (Hex{"02", "01", "00", "19", "04"}));
  // Bitmap 1010'0000 0011, from the lowest bit; signs + − − −.
  EXPECT_EQ(hex_of(encoded(codec_table()[5], trits, 6)), (Hex{"05", "0c", "0e"}));
  // The tag of base3, then its bytes: as small as sparse and before it.
  EXPECT_EQ(hex_of(encoded(codec_table()[6], trits, 6)), (Hex{"02", "cc", "80", "00"}));
}

TEST(Codec, EverySurvivesTheRoundTrip) {
  for (const Codec& codec : codec_table()) {
    for (const std::uint64_t cols : {1, 2, 3, 5, 7, 8, 64, 255, 256, 1000, 1024, 1025}) {
      for (const std::uint64_t rows : {1, 2, 5}) {
        for (const double nonzero : {0.0, 0.02, 0.5, 0.66, 1.0}) {
          const Trits trits = random_trits(rows * cols, nonzero, static_cast<unsigned>(rows * 2000 + cols));
          Buffer bytes = encoded(codec, trits, cols);
          EXPECT_LE(trits.size(), kMostTritsPerByte * bytes.size()) << codec.name;
          const std::size_t size = bytes.size();
          bytes.push_back(std::byte{0xff});  // what follows is not read
          Trits found(trits.size(), 7);
          EXPECT_EQ(decode(codec, bytes, cols, found), size) << codec.name;
          ASSERT_EQ(found, trits) << codec.name << " " << rows << " x " << cols;
        }
      }
    }
  }
}

TEST(Codec, HybridIsNeverMuchLargerThanTheSmallest) {
  for (const double nonzero : {0.01, 0.3, 0.5, 0.6, 0.66, 0.9}) {
    const Trits trits = random_trits(65536, nonzero, 3);
    std::size_t smallest = ~std::size_t{0};
    for (const Codec& codec : codec_table().first(6)) {
      smallest = std::min(smallest, encoded(codec, trits, 512).size());
    }
    // Its tags, and a partly filled byte or two at the end of each block.
    EXPECT_LE(encoded(codec_table()[6], trits, 512).size(), smallest + 52 / 2 + 52 * 2) << nonzero;
  }
  // Where blocks differ it is smaller than any.
  Trits trits = random_trits(32768, 0.95, 4);
  const Trits empty = random_trits(32768, 0.02, 5);
  trits.insert(trits.end(), empty.begin(), empty.end());
  for (const Codec& codec : codec_table().first(6)) {
    EXPECT_LT(encoded(codec_table()[6], trits, 512).size(), encoded(codec, trits, 512).size()) << codec.name;
  }
}

TEST(Codec, EveryTruncationIsAnError) {
  for (const Codec& codec : codec_table()) {
    const Trits trits = random_trits(3 * 700, 0.5, 6);
    const Buffer bytes = encoded(codec, trits, 700);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      Trits found(trits.size());
      EXPECT_THROW(decode(codec, Bytes(bytes).first(length), 700, found), Error) << codec.name << length;
    }
  }
}

// No checksum stands before the codecs here: whatever the bytes say, an Error or trits.
TEST(Codec, AnyBytesGiveAnErrorOrTrits) {
  for (const Codec& codec : codec_table()) {
    std::mt19937 random(7);
    const Trits trits = random_trits(2 * 601, 0.4, 8);
    const Buffer whole = encoded(codec, trits, 601);
    int refused = 0;
    for (int round = 0; round < 2000; ++round) {  // 14,000 over all codecs
      Buffer bytes = whole;
      const unsigned flips = 1 + random() % 4;
      for (unsigned i = 0; i < flips; ++i) {
        const std::size_t at = random() % bytes.size();
        bytes[at] ^= std::byte{1} << random() % 8;
      }
      if (round % 8 == 0) {
        for (auto& byte : bytes) byte = static_cast<std::byte>(random());
      }
      Trits found(trits.size());
      try {
        ASSERT_LE(decode(codec, bytes, 601, found), bytes.size());
        ASSERT_TRUE(std::ranges::all_of(found, [](int t) { return t >= -1 && t <= 1; })) << codec.name;
      } catch (const Error& error) {
        ASSERT_EQ(error.category(), ErrorCategory::Format);
        ++refused;
      }
    }
    EXPECT_GT(refused, 0) << codec.name;
  }
}

}  // namespace
}  // namespace sterna
