// Codecs of a fixed number of bits a trit: int8, 2 bits, base 3, and 2 bits in rows that can be addressed.
//
// Bytes are decoded by table, one byte to the four or five trits that it stands for. Bits that stand for no
// trit are 0.
#include <algorithm>
#include <array>
#include <cstring>

#include "base/checked.hpp"
#include "packing/base3.hpp"
#include "packing/codec_rows.hpp"

namespace sterna::codec {
namespace {

using packing::base3_digit;
using packing::kPowersOf3;

constexpr std::uint64_t kLine = 64;  // bytes of a cache line, and of the widest vector

/// Byte b → the trits of its codes, the first in the lowest byte; 3 becomes 2.
constexpr std::array<std::uint32_t, 256> kTwoBitTrits = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    for (std::uint32_t i = 0; i < 4; ++i) table[byte] |= (((byte >> 2 * i & 3) - 1) & 0xff) << 8 * i;
  }
  return table;
}();

/// Byte b → its five trits in the lowest bytes.
constexpr std::array<std::uint64_t, 256> kBase3Trits = [] {
  std::array<std::uint64_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    for (unsigned i = 0; i < 5; ++i) {
      const std::uint64_t digit = base3_digit(static_cast<std::uint8_t>(byte), kPowersOf3[i]);
      table[byte] |= ((digit - 1) & 0xff) << 8 * i;
    }
  }
  return table;
}();

void encode_int8(std::span<const std::int8_t> trits, std::uint64_t, std::vector<std::byte>& out) {
  const auto* bytes = reinterpret_cast<const std::byte*>(trits.data());
  out.insert(out.end(), bytes, bytes + trits.size());
}

std::size_t decode_int8(Bytes bytes, std::uint64_t, std::span<std::int8_t> trits) {
  bytes = take(bytes, trits.size());
  unsigned largest = 0;
  for (std::size_t i = 0; i < trits.size(); ++i) {
    trits[i] = static_cast<std::int8_t>(bytes[i]);
    largest = std::max<unsigned>(largest, static_cast<std::uint8_t>(u8(bytes[i]) + 1));
  }
  if (largest > 2) {
    const auto bad =
        std::ranges::find_if(trits, [](int trit) { return trit < -1 || trit > 1; }) - trits.begin();
    bad_trit(static_cast<std::size_t>(bad), std::to_string(trits[static_cast<std::size_t>(bad)]));
  }
  return bytes.size();
}

void encode_two_bit(std::span<const std::int8_t> trits, std::uint64_t, std::vector<std::byte>& out) {
  for (std::size_t at = 0; at < trits.size(); at += 4) {
    unsigned byte = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(4, trits.size() - at); ++i) {
      byte |= static_cast<unsigned>(trits[at + i] + 1) << 2 * i;
    }
    out.push_back(static_cast<std::byte>(byte));
  }
}

std::size_t decode_two_bit(Bytes bytes, std::uint64_t, std::span<std::int8_t> trits) {
  bytes = take(bytes, ceil_div<std::uint64_t>(trits.size(), 4));
  unsigned bad = 0;
  const std::size_t whole = trits.size() / 4;
  for (std::size_t i = 0; i < whole; ++i) {
    const unsigned byte = u8(bytes[i]);
    bad |= byte & byte >> 1;
    std::memcpy(&trits[4 * i], &kTwoBitTrits[byte], 4);
  }
  const std::size_t rest = trits.size() % 4;
  if (rest != 0) {
    const unsigned byte = u8(bytes[whole]);
    bad |= byte & byte >> 1;
    std::memcpy(&trits[4 * whole], &kTwoBitTrits[byte], rest);
    if (byte >> 2 * rest != 0) bad_trit(trits.size(), "bits behind the last");
  }
  if (bad & 0x55) {
    bad_trit(static_cast<std::size_t>(std::ranges::find(trits, 2) - trits.begin()), "the code 3");
  }
  return bytes.size();
}

void encode_base3(std::span<const std::int8_t> trits, std::uint64_t, std::vector<std::byte>& out) {
  for (std::size_t at = 0; at < trits.size(); at += 5) {
    unsigned v = 0;
    for (std::size_t i = 0; i < 5; ++i) {
      v = 3 * v + (at + i < trits.size() ? static_cast<unsigned>(trits[at + i] + 1) : 0);
    }
    out.push_back(static_cast<std::byte>(packing::base3_byte(v)));
  }
}

std::size_t decode_base3(Bytes bytes, std::uint64_t, std::span<std::int8_t> trits) {
  bytes = take(bytes, ceil_div<std::uint64_t>(trits.size(), 5));
  std::size_t i = 0;
  for (; 5 * i + 8 <= trits.size(); ++i) {  // five of the eight bytes count; the next five overwrite the rest
    std::memcpy(&trits[5 * i], &kBase3Trits[u8(bytes[i])], 8);
  }
  for (; i < bytes.size(); ++i) {
    const std::size_t count = std::min<std::size_t>(5, trits.size() - 5 * i);
    std::memcpy(&trits[5 * i], &kBase3Trits[u8(bytes[i])], count);
    for (std::size_t digit = count; digit < 5; ++digit) {
      if (base3_digit(u8(bytes[i]), kPowersOf3[digit]) != 0) bad_trit(trits.size(), "digits behind the last");
    }
  }
  return bytes.size();
}

std::uint64_t aligned_row_bytes(std::uint64_t cols) {
  return round_up(ceil_div<std::uint64_t>(cols, 4), kLine);
}

void encode_aligned(std::span<const std::int8_t> trits, std::uint64_t cols, std::vector<std::byte>& out) {
  for (std::size_t at = 0; at < trits.size(); at += cols) {
    const std::size_t end = out.size() + aligned_row_bytes(cols);
    encode_two_bit(trits.subspan(at, cols), cols, out);
    out.resize(end);
  }
}

std::size_t decode_aligned(Bytes bytes, std::uint64_t cols, std::span<std::int8_t> trits) {
  const std::uint64_t stride = aligned_row_bytes(cols);
  bytes = take(bytes, trits.size() / cols * stride);
  for (std::size_t row = 0; row < trits.size() / cols; ++row) {
    const Bytes line = bytes.subspan(row * stride, stride);
    const std::size_t used = decode_two_bit(line, cols, trits.subspan(row * cols, cols));
    if (std::ranges::any_of(line.subspan(used), [](std::byte byte) { return byte != std::byte{0}; })) {
      bad_trit((row + 1) * cols, "bits behind the row");
    }
  }
  return bytes.size();
}

}  // namespace

Codec int8() noexcept {
  return {0, "int8", "a byte a trit, uncompressed", encode_int8, decode_int8};
}
Codec two_bit() noexcept {
  return {1, "2bit", "four trits a byte", encode_two_bit, decode_two_bit};
}
Codec base3() noexcept {
  return {2, "base3", "five trits a byte", encode_base3, decode_base3};
}
Codec aligned() noexcept {
  return {3, "aligned", "four trits a byte, every row in whole lines of 64 bytes", encode_aligned,
          decode_aligned};
}

}  // namespace sterna::codec
