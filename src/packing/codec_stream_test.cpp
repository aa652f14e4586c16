#include "packing/codec_stream.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>

#include "platform/crc32c.hpp"
#include "sterna/error.hpp"
#include "support/exact_buffer.hpp"

namespace sterna {
namespace {

using Buffer = std::vector<std::byte>;

TernaryMatrix matrix_of(std::uint64_t rows, std::uint64_t cols, ScaleGrain grain = ScaleGrain::Tensor) {
  std::mt19937 random(static_cast<unsigned>(rows * 1000 + cols));
  TernaryMatrix matrix{rows, cols, std::vector<std::int8_t>(rows * cols), {grain, {}, 0}};
  for (auto& trit : matrix.trits) trit = static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1);
  std::uint64_t scales = grain == ScaleGrain::Tensor ? 1 : rows;
  if (grain == ScaleGrain::Block) {
    matrix.scales.block = 32;
    scales = rows * (cols / 32);
  }
  for (std::uint64_t i = 0; i < scales; ++i) matrix.scales.values.push_back(0.5f + static_cast<float>(i));
  return matrix;
}

void expect_equal(const TernaryMatrix& found, const TernaryMatrix& expected) {
  EXPECT_EQ(found.rows, expected.rows);
  EXPECT_EQ(found.cols, expected.cols);
  EXPECT_TRUE(found.trits == expected.trits);
  EXPECT_EQ(found.scales.grain, expected.scales.grain);
  EXPECT_EQ(found.scales.block, expected.scales.block);
  EXPECT_EQ(found.scales.values, expected.scales.values);
}

/// In memory of exactly this size.
TernaryMatrix decode(Bytes bytes) {
  testing::ExactBuffer<std::byte> exact(bytes.size());
  std::ranges::copy(bytes, exact.begin());
  return CodecStream({exact.data(), exact.size()}).decode();
}

Error error_of(const auto& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing thrown";
  return Error(ErrorCategory::Internal, "");
}

// Where fields of the head are: docs/packings.md.
constexpr std::size_t kVersion = 8, kCodec = 10, kGrain = 11, kBlock = 12, kRows = 16, kCols = 24,
                      kScales = 32, kRowsPerChunk = 40, kChecksum = 44, kHead = 48;

template <class T>
void put(Buffer& bytes, std::size_t at, T value) {
  std::memcpy(&bytes[at], &value, sizeof value);
}

/// Makes the head's checksum right again, for a head of `size` bytes, so that what it says is believed.
void seal(Buffer& bytes, std::size_t size) {
  put(bytes, kChecksum, std::uint32_t{0});
  put(bytes, kChecksum, crc32c(Bytes(bytes).first(size)));
}

TEST(CodecStream, EveryCodecGrainAndChunkSurvivesTheRoundTrip) {
  for (const Codec& codec : codec_table()) {
    for (const auto grain : {ScaleGrain::Tensor, ScaleGrain::Row, ScaleGrain::Block}) {
      for (const std::uint64_t rows_per_chunk : {0, 1, 3, 1000}) {
        const TernaryMatrix matrix = matrix_of(7, 96, grain);
        const Buffer bytes = encode_stream(matrix, codec, rows_per_chunk);
        expect_equal(decode(bytes), matrix);
        const CodecStream stream(bytes);
        EXPECT_EQ(stream.codec().id, codec.id);
        EXPECT_TRUE(stream.damaged().empty());
      }
    }
    for (const auto& [rows, cols] : {std::pair{0, 5}, {5, 0}, {0, 0}, {1, 1}, {300, 1000}}) {
      const auto matrix = matrix_of(static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(cols));
      expect_equal(decode(encode_stream(matrix, codec)), matrix);
    }
  }
}

TEST(CodecStream, RowsAreDecodedAlone) {
  const TernaryMatrix matrix = matrix_of(50, 77);
  for (const Codec& codec : codec_table()) {
    Buffer bytes = encode_stream(matrix, codec, 8);
    const CodecStream stream(bytes);
    for (const auto& [begin, end] : {std::pair{0, 50}, {0, 8}, {3, 5}, {7, 17}, {48, 50}, {20, 20}}) {
      std::vector<std::int8_t> found(static_cast<std::size_t>(end - begin) * 77);
      stream.decode_rows(static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end), found);
      EXPECT_TRUE(std::equal(found.begin(), found.end(), matrix.trits.begin() + begin * 77)) << codec.name;
    }
    // Damage elsewhere does not matter to them.
    bytes.back() ^= std::byte{1};
    std::vector<std::int8_t> first(8 * 77);
    CodecStream(bytes).decode_rows(0, 8, first);
    EXPECT_TRUE(std::equal(first.begin(), first.end(), matrix.trits.begin()));
    EXPECT_EQ(error_of([&] { CodecStream(bytes).decode(); }).value("rows"), "48-49");
  }
  const Buffer bytes = encode_stream(matrix, codec_table()[2]);
  std::vector<std::int8_t> room(77);
  for (const auto& [begin, end] : {std::pair{50, 51}, {1, 0}, {0, 2}}) {
    EXPECT_EQ(error_of([&] {
                CodecStream(bytes).decode_rows(static_cast<std::uint64_t>(begin),
                                               static_cast<std::uint64_t>(end), room);
              }).category(),
              ErrorCategory::InvalidArgument);
  }
}

TEST(CodecStream, AlignedRowsLieAtMultiplesOfALine) {
  const TernaryMatrix matrix = matrix_of(5, 300);  // 75 bytes of codes, 128 a row
  const Buffer bytes = encode_stream(matrix, *find_codec("aligned"));
  const std::size_t data = bytes.size() - std::size_t{5} * 128;
  EXPECT_EQ(data % 64, 0u);
  const auto code = [&](std::size_t row, std::size_t col) {
    return static_cast<int>(bytes[data + row * 128 + col / 4] >> 2 * (col % 4) & std::byte{3}) - 1;
  };
  for (const std::size_t row : {0, 3, 4}) EXPECT_EQ(code(row, 299), matrix.trits[row * 300 + 299]);
}

TEST(CodecStream, EveryTruncationAndEveryExtensionIsAnError) {
  for (const Codec& codec : codec_table()) {
    const Buffer bytes = encode_stream(matrix_of(4, 40, ScaleGrain::Row), codec, 2);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      EXPECT_THROW(decode(Bytes(bytes).first(length)), Error) << codec.name << " " << length;
    }
    Buffer longer = bytes;
    longer.push_back(std::byte{0});
    EXPECT_THROW(decode(longer), Error);
  }
}

TEST(CodecStream, NoFlippedBitGoesUnnoticedAndItsRowsAreNamed) {
  for (const Codec& codec : codec_table()) {
    std::mt19937 random(1);
    const Buffer whole = encode_stream(matrix_of(64, 100), codec, 4);
    const std::size_t head = kHead + 4 + 16 * 12 + 12;  // one scale, 16 chunks, filled up to 256
    ASSERT_EQ(head, 256u);
    const std::size_t data = whole.size() - head;
    // Where each chunk ends, from the table itself.
    std::vector<std::uint64_t> ends;
    for (std::size_t i = 0; i < 16; ++i) {
      ends.push_back(load_unaligned<std::uint64_t>(&whole[kHead + 4 + i * 12]));
    }
    ASSERT_EQ(ends.back(), data);
    for (int round = 0; round < 2000; ++round) {  // 14,000 over all codecs
      Buffer bytes = whole;
      // A third in the head, which is small, so that each of its bits has its turn.
      const std::size_t at = round % 3 == 0 ? random() % head : head + random() % data;
      bytes[at] ^= std::byte{1} << random() % 8;
      const Error error = error_of([&] { CodecStream(bytes).decode(); });
      if (at < head) continue;
      ASSERT_EQ(error.category(), ErrorCategory::Format);
      const auto chunk = static_cast<std::size_t>(std::ranges::upper_bound(ends, at - head) - ends.begin());
      ASSERT_EQ(error.value("rows"), std::to_string(4 * chunk) + "-" + std::to_string(4 * chunk + 3));
    }
  }
}

TEST(CodecStream, NamesEveryRangeThatIsLost) {
  Buffer bytes = encode_stream(matrix_of(40, 64), *find_codec("2bit"), 4);  // 64 bytes a chunk
  const std::size_t data = bytes.size() - 10 * 64;
  for (const std::size_t chunk : {2, 3, 7}) bytes[data + chunk * 64 + 5] ^= std::byte{0x10};
  const auto lost = CodecStream(bytes).damaged();
  ASSERT_EQ(lost.size(), 2u);
  EXPECT_EQ(lost[0].begin, 8u);
  EXPECT_EQ(lost[0].end, 16u);
  EXPECT_EQ(error_of([&] { CodecStream(bytes).decode(); }).value("rows"), "8-15 28-31");
}

TEST(CodecStream, BytesOfRightChecksumsAreNotTrustedEither) {
  Buffer bytes = encode_stream(matrix_of(4, 64), *find_codec("2bit"));
  const std::size_t data = bytes.size() - 64;
  bytes[data + 20] = std::byte{0xff};
  put(bytes, kHead + 4 + 8, crc32c(Bytes(bytes).subspan(data)));
  seal(bytes, data);
  const Error error = error_of([&] { CodecStream(bytes).decode(); });
  EXPECT_EQ(error.category(), ErrorCategory::Format);
  EXPECT_EQ(error.value("trit"), "80");
  EXPECT_EQ(error.value("rows"), "0-3");
  EXPECT_EQ(error.value("codec"), "2bit");
}

TEST(CodecStream, CountsBeyondTheBytesAreErrorsNotAllocations) {
  const Buffer good = encode_stream(matrix_of(4, 64), *find_codec("runs"), 4);
  const std::size_t head = 64;
  const auto refuses = [&](ErrorCategory category, std::size_t at, auto value) {
    Buffer bytes = good;
    put(bytes, at, value);
    seal(bytes, head);
    const Error error = error_of([&] { decode(bytes); });
    EXPECT_EQ(error.category(), category) << error.what();
  };
  constexpr std::uint64_t kHuge[] = {5, 1 << 20, std::uint64_t{1} << 40, std::uint64_t{1} << 62,
                                     std::numeric_limits<std::uint64_t>::max()};
  for (const std::uint64_t huge : kHuge) {
    refuses(ErrorCategory::Format, kRows, huge);
    refuses(ErrorCategory::Format, kScales, huge);
    if (huge > 64) refuses(ErrorCategory::Format, kCols, huge);
    refuses(ErrorCategory::Format, kHead + 4, huge);  // where the chunk ends
  }
  refuses(ErrorCategory::Format, kRowsPerChunk, std::uint32_t{0});
  refuses(ErrorCategory::Format, kRowsPerChunk, std::uint32_t{1});
  refuses(ErrorCategory::Format, kBlock, std::uint32_t{32});
  refuses(ErrorCategory::Format, kGrain, std::uint8_t{1});
  refuses(ErrorCategory::Format, kGrain, std::uint8_t{2});
  refuses(ErrorCategory::Format, kGrain, std::uint8_t{3});
  refuses(ErrorCategory::Format, kHead, std::numeric_limits<float>::infinity());
  refuses(ErrorCategory::Unsupported, kCodec, std::uint8_t{7});
  refuses(ErrorCategory::Unsupported, kVersion, std::uint16_t{2});
  // Fewer rows than there are bytes for.
  refuses(ErrorCategory::Format, kRows, std::uint64_t{3});
}

TEST(CodecStream, RefusesAMatrixThatContradictsItself) {
  TernaryMatrix matrix = matrix_of(2, 64);
  matrix.trits[3] = 2;
  EXPECT_EQ(error_of([&] { encode_stream(matrix, codec_table()[0]); }).category(),
            ErrorCategory::InvalidArgument);
}

}  // namespace
}  // namespace sterna
