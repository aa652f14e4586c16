#include "packing/codec_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "base/checked.hpp"
#include "packing/layout.hpp"
#include "platform/crc32c.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr std::string_view kMagic = "STRNTRIT";
constexpr std::uint16_t kVersion = 1;
constexpr std::uint64_t kAlignment = 64;  // of the data, and so of aligned rows
// A chunk of 12 KB at 1.5 bits: its entry in the table is a thousandth of it, and reading one row reads
// little beside it.
constexpr std::uint64_t kChunkTrits = 65536;

/// What a stream begins with.
struct Head {
  char magic[8];
  std::uint16_t version;
  std::uint8_t codec;
  std::uint8_t grain;
  std::uint32_t block;
  std::uint64_t rows;
  std::uint64_t cols;
  std::uint64_t scales;
  std::uint32_t rows_per_chunk;
  std::uint32_t checksum;  ///< of everything before the data, these bytes taken as 0
};
static_assert(sizeof(Head) == 48);
constexpr std::size_t kChecksumAt = offsetof(Head, checksum);

[[noreturn]] void bad(std::string_view message, std::string found, std::string expected) {
  throw Error(ErrorCategory::Format, message,
              {{"found", std::move(found)}, {"expected", std::move(expected)}});
}

std::uint32_t checksum_of_head(Bytes head) {
  constexpr std::uint32_t kNone = 0;
  const std::uint32_t before = crc32c(head.first(kChecksumAt));
  return crc32c(head.subspan(sizeof(Head)), crc32c(std::as_bytes(std::span(&kNone, 1)), before));
}

/// How many scales the head must announce, or nothing when its fields contradict each other.
std::optional<std::uint64_t> scales_expected(const Head& head) {
  const bool blocks = head.grain == static_cast<std::uint8_t>(ScaleGrain::Block);
  if (!blocks && head.block != 0) return std::nullopt;
  switch (head.grain) {
    case static_cast<std::uint8_t>(ScaleGrain::Tensor):
      return 1;
    case static_cast<std::uint8_t>(ScaleGrain::Row):
      return head.rows;
    case static_cast<std::uint8_t>(ScaleGrain::Block):
      if (head.block == 0 || head.cols % head.block != 0) return std::nullopt;
      return checked_mul(head.rows, head.cols / head.block);
    default:
      return std::nullopt;
  }
}

std::uint64_t chunks_of(std::uint64_t rows, std::uint64_t cols, std::uint64_t rows_per_chunk) {
  return cols == 0 ? 0 : ceil_div(rows, rows_per_chunk);
}

/// Bytes before the data, or nothing when that overflows.
std::optional<std::uint64_t> head_bytes(std::uint64_t scales, std::uint64_t chunks, std::uint64_t entry) {
  const auto for_scales = checked_mul<std::uint64_t>(scales, sizeof(float));
  const auto for_chunks = checked_mul(chunks, entry);
  if (!for_scales || !for_chunks) return std::nullopt;
  const auto both = checked_add(*for_scales, *for_chunks);
  const auto all = both ? checked_add<std::uint64_t>(*both, sizeof(Head) + kAlignment - 1) : std::nullopt;
  if (!all) return std::nullopt;
  return *all / kAlignment * kAlignment;
}

std::string rows_text(CodecStream::Rows rows) {
  return rows.begin + 1 == rows.end ? std::to_string(rows.begin)
                                    : fmt::format("{}-{}", rows.begin, rows.end - 1);
}

std::string hex(std::uint32_t checksum) {
  return fmt::format("{:#010x}", checksum);
}

}  // namespace

std::vector<std::byte> encode_stream(const TernaryMatrix& matrix, const Codec& codec,
                                     std::uint64_t rows_per_chunk) {
  packing::check_matrix(matrix);
  if (rows_per_chunk == 0) rows_per_chunk = kChunkTrits / std::max<std::uint64_t>(matrix.cols, 1);
  rows_per_chunk = std::clamp<std::uint64_t>(rows_per_chunk, 1, std::uint64_t{1} << 31);
  const std::uint64_t chunks = chunks_of(matrix.rows, matrix.cols, rows_per_chunk);
  const std::size_t scale_bytes = matrix.scales.values.size() * sizeof(float);
  constexpr std::size_t kEntry = sizeof(std::uint64_t) + sizeof(std::uint32_t);
  std::vector<std::byte> out(*head_bytes(matrix.scales.values.size(), chunks, kEntry));  // all in memory
  const std::size_t head_size = out.size();
  if (scale_bytes > 0) std::memcpy(&out[sizeof(Head)], matrix.scales.values.data(), scale_bytes);

  for (std::uint64_t i = 0; i < chunks; ++i) {
    const std::size_t from = out.size();
    const std::uint64_t begin = i * rows_per_chunk;
    const std::uint64_t count = std::min(rows_per_chunk, matrix.rows - begin);
    codec.encode(std::span(matrix.trits).subspan(begin * matrix.cols, count * matrix.cols), matrix.cols, out);
    const std::uint64_t end = out.size() - head_size;
    const std::uint32_t checksum = crc32c(std::span(out).subspan(from));
    std::byte* entry = &out[sizeof(Head) + scale_bytes + i * kEntry];
    std::memcpy(entry, &end, sizeof end);
    std::memcpy(entry + sizeof end, &checksum, sizeof checksum);
  }

  Head head{.magic = {},
            .version = kVersion,
            .codec = codec.id,
            .grain = static_cast<std::uint8_t>(matrix.scales.grain),
            .block = matrix.scales.grain == ScaleGrain::Block ? matrix.scales.block : 0,
            .rows = matrix.rows,
            .cols = matrix.cols,
            .scales = matrix.scales.values.size(),
            .rows_per_chunk = static_cast<std::uint32_t>(rows_per_chunk),
            .checksum = 0};
  std::memcpy(head.magic, kMagic.data(), kMagic.size());
  std::memcpy(out.data(), &head, sizeof head);
  head.checksum = checksum_of_head(Bytes(out).first(head_size));
  std::memcpy(&out[kChecksumAt], &head.checksum, sizeof head.checksum);
  return out;
}

CodecStream::CodecStream(Bytes bytes) {
  if (bytes.size() < sizeof(Head)) {
    bad("a ternary stream is cut in its head", std::to_string(bytes.size()), std::to_string(sizeof(Head)));
  }
  const auto head = load_unaligned<Head>(bytes.data());
  if (as_text(bytes.first(kMagic.size())) != kMagic) {
    bad("not a ternary stream", std::string(as_text(bytes.first(kMagic.size()))), std::string(kMagic));
  }
  if (head.version != kVersion) {
    throw Error(ErrorCategory::Unsupported, "an unknown version of ternary streams",
                {{"found", std::to_string(head.version)}, {"expected", std::to_string(kVersion)}});
  }
  const auto scales = scales_expected(head);
  if (!scales || *scales != head.scales || head.rows_per_chunk == 0) {
    bad("the head of a ternary stream contradicts itself", fmt::format("{} scales", head.scales),
        scales ? fmt::format("{} scales", *scales) : "a grain and blocks that fit the shape");
  }
  const std::uint64_t chunks = chunks_of(head.rows, head.cols, head.rows_per_chunk);
  const auto head_size = head_bytes(head.scales, chunks, kChunkEntry);
  if (!head_size || *head_size > bytes.size()) {
    bad("a ternary stream is cut in its head", std::to_string(bytes.size()),
        head_size ? std::to_string(*head_size) : "more than there can be");
  }
  const std::uint32_t checksum = checksum_of_head(bytes.first(*head_size));
  if (checksum != head.checksum) {
    throw Error(ErrorCategory::Format, "the head of a ternary stream is damaged",
                {{"bytes", fmt::format("0-{}", *head_size - 1)},
                 {"found", hex(checksum)},
                 {"expected", hex(head.checksum)}});
  }
  codec_ = find_codec(head.codec);
  if (!codec_) {
    throw Error(ErrorCategory::Unsupported, "an unknown codec of ternary streams",
                {{"found", std::to_string(head.codec)},
                 {"expected", fmt::format("0 to {}", codec_table().size() - 1)}});
  }
  rows_ = head.rows;
  cols_ = head.cols;
  rows_per_chunk_ = head.rows_per_chunk;
  chunk_table_ = bytes.subspan(sizeof(Head) + head.scales * sizeof(float), chunks * kChunkEntry);
  data_ = bytes.subspan(*head_size);
  scales_.grain = static_cast<ScaleGrain>(head.grain);
  scales_.block = head.block;
  scales_.values.resize(head.scales);  // *head_size has bounded it
  for (std::size_t i = 0; i < scales_.values.size(); ++i) {
    scales_.values[i] = load_unaligned<float>(&bytes[sizeof(Head) + i * sizeof(float)]);
    packing::check_scale(scales_.values[i], i);
  }
  // The chunks lie one after another and fill the data, and each has enough bytes for its trits.
  std::uint64_t end = 0;
  for (std::uint64_t i = 0; i < chunks; ++i) {
    const auto next = load_unaligned<std::uint64_t>(&chunk_table_[i * kChunkEntry]);
    const std::uint64_t count = std::min(rows_per_chunk_, rows_ - i * rows_per_chunk_);
    const auto trits = checked_mul(count, cols_);
    if (next < end || next > data_.size() || !trits ||
        ceil_div<std::uint64_t>(*trits, kMostTritsPerByte) > next - end) {
      bad("a ternary stream is cut, or a chunk cannot hold its rows",
          fmt::format("chunk {} of bytes {} to {}, {} in all", i, end, next, data_.size()),
          fmt::format("{} rows of {}", count, cols_));
    }
    end = next;
  }
  if (end != data_.size()) {
    bad("a ternary stream is cut, or followed by other bytes", std::to_string(data_.size()),
        std::to_string(end));
  }
}

CodecStream::Chunk CodecStream::chunk(std::uint64_t index) const noexcept {
  const std::byte* entry = &chunk_table_[index * kChunkEntry];
  const std::uint64_t from = index == 0 ? 0 : load_unaligned<std::uint64_t>(entry - kChunkEntry);
  const auto to = load_unaligned<std::uint64_t>(entry);
  const std::uint64_t begin = index * rows_per_chunk_;
  return {data_.subspan(from, to - from),
          load_unaligned<std::uint32_t>(entry + sizeof to),
          {begin, begin + std::min(rows_per_chunk_, rows_ - begin)}};
}

std::vector<CodecStream::Rows> CodecStream::damaged() const {
  std::vector<Rows> lost;
  for (std::uint64_t i = 0; i < chunks(); ++i) {
    const Chunk at = chunk(i);
    if (crc32c(at.bytes) == at.checksum) continue;
    if (!lost.empty() && lost.back().end == at.rows.begin) {
      lost.back().end = at.rows.end;
    } else {
      lost.push_back(at.rows);
    }
  }
  return lost;
}

void CodecStream::decode_chunk(const Chunk& chunk, std::span<std::int8_t> out) const {
  const std::uint32_t checksum = crc32c(chunk.bytes);
  if (checksum != chunk.checksum) {
    throw Error(
        ErrorCategory::Format, "a ternary stream is damaged",
        {{"rows", rows_text(chunk.rows)}, {"found", hex(checksum)}, {"expected", hex(chunk.checksum)}});
  }
  try {
    const std::size_t used = codec_->decode(chunk.bytes, cols_, out);
    if (used != chunk.bytes.size()) {
      bad("bytes behind the last trit", std::to_string(chunk.bytes.size()), std::to_string(used));
    }
  } catch (const Error& error) {
    throw error.with("codec", codec_->name).with("rows", rows_text(chunk.rows));
  }
}

void CodecStream::decode_rows(std::uint64_t begin, std::uint64_t end, std::span<std::int8_t> out) const {
  const auto trits = begin <= end && end <= rows_ ? checked_mul(end - begin, cols_) : std::nullopt;
  if (!trits || *trits != out.size()) {
    throw Error(ErrorCategory::InvalidArgument, "rows outside a ternary stream, or no room for them",
                {{"found", fmt::format("rows {} to {}, room for {}", begin, end, out.size())},
                 {"expected", fmt::format("[{}, {}]", rows_, cols_)}});
  }
  if (out.empty()) return;
  std::vector<std::int8_t> whole;  // of a chunk that is wanted in part
  for (std::uint64_t i = begin / rows_per_chunk_; i * rows_per_chunk_ < end; ++i) {
    const Chunk at = chunk(i);
    const std::uint64_t from = std::max(begin, at.rows.begin);
    const std::uint64_t to = std::min(end, at.rows.end);
    const auto room = out.subspan((from - begin) * cols_, (to - from) * cols_);
    if (from == at.rows.begin && to == at.rows.end) {
      decode_chunk(at, room);
      continue;
    }
    whole.resize((at.rows.end - at.rows.begin) * cols_);
    decode_chunk(at, whole);
    std::copy_n(whole.begin() + static_cast<std::ptrdiff_t>((from - at.rows.begin) * cols_), room.size(),
                room.begin());
  }
}

TernaryMatrix CodecStream::decode() const try {
  TernaryMatrix matrix{rows_, cols_, std::vector<std::int8_t>(rows_ * cols_), scales_};
  decode_rows(0, rows_, matrix.trits);
  return matrix;
} catch (const Error&) {
  const auto lost = damaged();
  if (lost.size() < 2) throw;
  constexpr std::size_t kShown = 8;
  std::vector<std::string> ranges;
  for (const Rows rows : std::span(lost).first(std::min(kShown, lost.size()))) {
    ranges.push_back(rows_text(rows));
  }
  if (lost.size() > kShown) ranges.push_back(fmt::format("{} more ranges", lost.size() - kShown));
  throw Error(ErrorCategory::Format, "a ternary stream is damaged in several places",
              {{"rows", fmt::format("{}", fmt::join(ranges, " "))}});
}

}  // namespace sterna
