// Blocks of 1280 trits, each in the codec that takes the fewest bytes for it.
//
// First the blocks' codecs, by id, in four bits each (the first in the lower half of a byte), then the blocks
// one after another; each codec knows where its bytes end.
#include <algorithm>
#include <array>

#include "base/checked.hpp"
#include "packing/codec_rows.hpp"

namespace sterna::codec {
namespace {

// Whole bytes in base 3 and of a bitmap, and a tag that costs 0.003 bits a trit. On weights whose share of
// non-zeros is the same everywhere, blocks of 128 take 1.66 bits a trit, of 1024 1.605, of 65536 1.600.
constexpr std::size_t kBlock = 1280;

/// Those that can be the smallest: of a fixed size none is smaller than base 3. On a tie the first.
const std::array<Codec, 3>& candidates() {
  static const std::array<Codec, 3> table{base3(), sparse(), runs()};
  return table;
}

void encode(std::span<const std::int8_t> trits, std::uint64_t cols, std::vector<std::byte>& out) {
  const std::size_t blocks = ceil_div(trits.size(), kBlock);
  const std::size_t tags = out.size();
  out.resize(tags + ceil_div<std::size_t>(blocks, 2));
  std::vector<std::byte> best, other;
  for (std::size_t block = 0; block < blocks; ++block) {
    const auto part = trits.subspan(block * kBlock, std::min(kBlock, trits.size() - block * kBlock));
    const Codec* chosen = nullptr;
    for (const Codec& candidate : candidates()) {
      other.clear();
      candidate.encode(part, cols, other);
      if (chosen && other.size() >= best.size()) continue;
      chosen = &candidate;
      best.swap(other);
    }
    out[tags + block / 2] |= std::byte{chosen->id} << 4 * (block % 2);
    out.insert(out.end(), best.begin(), best.end());
  }
}

std::size_t decode(Bytes bytes, std::uint64_t cols, std::span<std::int8_t> trits) {
  const std::size_t blocks = ceil_div(trits.size(), kBlock);
  const Bytes tags = take(bytes, ceil_div<std::size_t>(blocks, 2));
  if (blocks % 2 == 1 && u8(tags.back()) >> 4 != 0) bad_trit(trits.size(), "a tag behind the last");
  std::size_t used = tags.size();
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t begin = block * kBlock;
    const unsigned tag = u8(tags[block / 2]) >> 4 * (block % 2) & 15;
    const auto codec = std::ranges::find(candidates(), tag, &Codec::id);
    if (codec == candidates().end()) bad_trit(begin, "the tag " + std::to_string(tag));
    used += codec->decode(bytes.subspan(used), cols,
                          trits.subspan(begin, std::min(kBlock, trits.size() - begin)));
  }
  return used;
}

}  // namespace

Codec hybrid() noexcept {
  return {6, "hybrid", "blocks of 1280 trits, each in base3, sparse or runs", encode, decode};
}

}  // namespace sterna::codec
