// Any bytes as a ternary stream; and, since few get past its checksums, as what a chunk holds: an Error, or
// trits.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "packing/codec_stream.hpp"
#include "sterna/error.hpp"

namespace {

void require_trits(const std::vector<std::int8_t>& trits) {
  if (std::ranges::any_of(trits, [](int trit) { return trit < -1 || trit > 1; })) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    require_trits(sterna::CodecStream(bytes).decode().trits);
  } catch (const sterna::Error&) {
  }
  if (size < 3) return 0;
  try {
    const auto codecs = sterna::codec_table();
    const std::uint64_t cols = 1 + data[1] * 9u;
    std::vector<std::int8_t> trits(cols * (1 + data[2] % 4u));
    codecs[data[0] % codecs.size()].decode(bytes.subspan(3), cols, trits);
    require_trits(trits);
  } catch (const sterna::Error&) {
  }
  return 0;
}
