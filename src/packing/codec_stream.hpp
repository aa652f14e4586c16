// A ternary matrix as bytes that say what they are: shape, scales, codec, and checksums that find damage and
// say where it is. The layout is in docs/packings.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "packing/codec.hpp"
#include "packing/registry.hpp"

namespace sterna {

/// The matrix in a codec. Rows are encoded in chunks, each of which can be decoded alone; `rows_per_chunk` =
/// 0 makes chunks of about 65536 trits. Throws InvalidArgument for a matrix that contradicts itself.
std::vector<std::byte> encode_stream(const TernaryMatrix& matrix, const Codec& codec,
                                     std::uint64_t rows_per_chunk = 0);

/// A stream's head, checked, and its rows on demand. Any bytes give an Error or a matrix; what is allocated
/// is at most 64 times the bytes.
class CodecStream {
 public:
  struct Rows {
    std::uint64_t begin, end;
  };

  /// Reads the head; the bytes must outlive this. Throws Format for bytes that are no stream, are cut, or
  /// whose head is damaged (with both checksums), Unsupported for a version or a codec that is not known.
  explicit CodecStream(Bytes bytes);

  const Codec& codec() const noexcept { return *codec_; }
  std::uint64_t rows() const noexcept { return rows_; }
  std::uint64_t cols() const noexcept { return cols_; }
  const TernaryScales& scales() const noexcept { return scales_; }
  std::uint64_t rows_per_chunk() const noexcept { return rows_per_chunk_; }

  /// The rows whose chunks do not have their checksums; neighbours are joined.
  std::vector<Rows> damaged() const;
  /// Trits of rows [begin, end), row-major; reads their chunks alone. Throws Format (`rows`) for a damaged
  /// chunk, InvalidArgument for rows outside the matrix or another size of `out`.
  void decode_rows(std::uint64_t begin, std::uint64_t end, std::span<std::int8_t> out) const;
  /// The whole matrix. The error of a damaged stream names all the rows that are lost.
  TernaryMatrix decode() const;

 private:
  struct Chunk {
    Bytes bytes;
    std::uint32_t checksum;
    Rows rows;
  };
  std::uint64_t chunks() const noexcept { return chunk_table_.size() / kChunkEntry; }
  Chunk chunk(std::uint64_t index) const noexcept;
  void decode_chunk(const Chunk& chunk, std::span<std::int8_t> out) const;

  static constexpr std::size_t kChunkEntry = 12;  ///< u64 end, u32 checksum

  const Codec* codec_ = nullptr;
  std::uint64_t rows_ = 0;
  std::uint64_t cols_ = 0;
  std::uint64_t rows_per_chunk_ = 1;
  TernaryScales scales_;
  Bytes chunk_table_;
  Bytes data_;
};

}  // namespace sterna
