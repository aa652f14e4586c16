// Lossless encodings of trits in as few bytes as they need, one row each: for keeping and sending matrices.
// What kernels compute with are the packings (packing/registry.hpp); byte diagrams of both are in
// docs/packings.md.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace sterna {

/// A row of the codec table. What is encoded at once are the trits of whole rows of `cols`, one row after
/// another: a chunk of a stream (packing/codec_stream.hpp).
struct Codec {
  std::uint8_t id;        ///< in streams; never given to another codec
  std::string_view name;  ///< "base3"
  std::string_view summary;
  /// Appends the bytes of the trits, each −1, 0 or +1.
  void (*encode)(std::span<const std::int8_t> trits, std::uint64_t cols, std::vector<std::byte>& out);
  /// Fills `trits` from the first bytes and returns how many these were. Throws Format for bytes that end
  /// too soon or are no encoding of so many trits; `trit` counts from the first of them.
  std::size_t (*decode)(Bytes bytes, std::uint64_t cols, std::span<std::int8_t> trits);
};

/// No codec stands for more trits with a byte, so that the size of a stream bounds what it can make a reader
/// allocate.
inline constexpr std::uint64_t kMostTritsPerByte = 64;

/// int8, 2bit, base3, aligned, runs, sparse, hybrid; the id is the place in the table.
std::span<const Codec> codec_table() noexcept;
/// Null for an id or a name that no codec has.
const Codec* find_codec(std::uint8_t id) noexcept;
const Codec* find_codec(std::string_view name) noexcept;

}  // namespace sterna
