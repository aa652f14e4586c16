// A bitmap of the trits that are not zero, then a bit for the sign of each of these (set: −1): 1 + d bits a
// trit, d the share that is not zero. Less than five to a byte where d < 0.6.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/checked.hpp"
#include "packing/codec_rows.hpp"

namespace sterna::codec {
namespace {

/// Four bits of the bitmap and the next four signs → four trits, the first in the lowest byte.
constexpr std::array<std::uint32_t, 256> kTrits = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t index = 0; index < table.size(); ++index) {
    std::uint32_t signs = index & 15;
    for (std::uint32_t i = 0; i < 4; ++i) {
      if ((index >> 4 >> i & 1) == 0) continue;
      table[index] |= (signs & 1 ? 0xffu : 1u) << 8 * i;
      signs >>= 1;
    }
  }
  return table;
}();

constexpr std::array<std::uint8_t, 16> kOnes{0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};

std::size_t ones(Bytes bits) {
  std::size_t count = 0;
  std::size_t at = 0;
  for (; at + 8 <= bits.size(); at += 8) {
    count += static_cast<std::size_t>(std::popcount(load_unaligned<std::uint64_t>(&bits[at])));
  }
  for (; at < bits.size(); ++at) count += static_cast<std::size_t>(std::popcount(u8(bits[at])));
  return count;
}

void set_bit(std::byte* bits, std::size_t at) {
  bits[at / 8] |= std::byte{1} << at % 8;
}

void encode(std::span<const std::int8_t> trits, std::uint64_t, std::vector<std::byte>& out) {
  std::size_t count = 0;
  for (const std::int8_t trit : trits) count += trit != 0;
  const std::size_t bitmap = out.size();
  const std::size_t signs = bitmap + ceil_div<std::size_t>(trits.size(), 8);
  out.resize(signs + ceil_div<std::size_t>(count, 8));
  std::size_t next = 0;
  for (std::size_t i = 0; i < trits.size(); ++i) {
    if (trits[i] == 0) continue;
    set_bit(&out[bitmap], i);
    if (trits[i] < 0) set_bit(&out[signs], next);
    ++next;
  }
}

/// Throws unless the bits of the last byte from `count` on are 0.
void check_end(Bytes bits, std::size_t count, std::size_t trit) {
  if (count % 8 != 0 && u8(bits.back()) >> count % 8 != 0) bad_trit(trit, "bits behind the last");
}

std::size_t decode(Bytes bytes, std::uint64_t, std::span<std::int8_t> trits) {
  const std::size_t n = trits.size();
  const Bytes bitmap = take(bytes, ceil_div<std::size_t>(n, 8));
  check_end(bitmap, n, n);
  const std::size_t count = ones(bitmap);
  const Bytes signs = take(bytes.subspan(bitmap.size()), ceil_div<std::size_t>(count, 8));
  check_end(signs, count, n);

  std::size_t sign = 0;  // never beyond `count`: the bitmap says how many there are
  const auto four_at = [&](std::size_t i) {
    const unsigned present = u8(bitmap[i / 8]) >> i % 8 & 15;
    const std::size_t at = sign / 8;
    const unsigned low = at < signs.size() ? u8(signs[at]) : 0;
    const unsigned high = at + 1 < signs.size() ? u8(signs[at + 1]) : 0;
    const unsigned shift = sign % 8;
    sign += kOnes[present];
    return kTrits[present << 4 | ((low | high << 8) >> shift & 15)];
  };
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const std::uint32_t four = four_at(i);
    std::memcpy(&trits[i], &four, 4);
  }
  if (i < n) {
    const std::uint32_t four = four_at(i);
    std::memcpy(&trits[i], &four, n - i);
  }
  return bitmap.size() + signs.size();
}

}  // namespace

Codec sparse() noexcept {
  return {5, "sparse", "a bit a trit that is not zero or is, then its sign", encode, decode};
}

}  // namespace sterna::codec
