// Run lengths: a byte for each run of up to 64 equal trits. Its lower 2 bits are the trit + 1, the upper 6
// the length − 1.
#include <algorithm>
#include <cstring>

#include "packing/codec_rows.hpp"

namespace sterna::codec {
namespace {

constexpr std::size_t kMostRun = 64;
static_assert(kMostRun <= kMostTritsPerByte);

void encode(std::span<const std::int8_t> trits, std::uint64_t, std::vector<std::byte>& out) {
  for (std::size_t at = 0; at < trits.size();) {
    const std::size_t most = std::min(kMostRun, trits.size() - at);
    std::size_t length = 1;
    while (length < most && trits[at + length] == trits[at]) ++length;
    out.push_back(static_cast<std::byte>((length - 1) << 2 | static_cast<std::size_t>(trits[at] + 1)));
    at += length;
  }
}

std::size_t decode(Bytes bytes, std::uint64_t, std::span<std::int8_t> trits) {
  std::size_t used = 0;
  for (std::size_t at = 0; at < trits.size(); ++used) {
    if (used == bytes.size()) take(bytes, used + 1);  // throws
    const unsigned byte = u8(bytes[used]);
    const std::size_t length = (byte >> 2) + 1;
    const std::size_t left = trits.size() - at;
    if ((byte & 3) == 3) bad_trit(at, "the code 3");
    if (length > left) bad_trit(at, "a run longer than what is left");
    const int trit = static_cast<int>(byte & 3) - 1;
    // Most runs are short: one store of a fixed size, whose surplus the next run overwrites.
    if (length <= 8 && left >= 8) {
      std::memset(&trits[at], trit, 8);
    } else {
      std::memset(&trits[at], trit, length);
    }
    at += length;
  }
  return used;
}

}  // namespace

Codec runs() noexcept {
  return {4, "runs", "a byte for each run of up to 64 equal trits", encode, decode};
}

}  // namespace sterna::codec
