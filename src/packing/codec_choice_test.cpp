#include "packing/codec_choice.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "packing/codec_stream.hpp"

namespace sterna {
namespace {

TEST(CodecChoice, IsTheLeastTimeUntilTheMatrixIsThere) {
  const auto table = codec_table();
  const auto timing = [&](std::size_t id, std::uint64_t bytes, double seconds) {
    return CodecTiming{&table[id], bytes, seconds, seconds, seconds};
  };
  const std::vector<CodecTiming> timings{timing(0, 1000, 1e-6), timing(1, 250, 2e-6), timing(2, 200, 3e-6),
                                         timing(4, 200, 3e-6)};
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(choose_codec(timings, 0).codec->id, 2);  // and not 4, which is equal
  EXPECT_EQ(choose_codec(timings, kInfinity).codec->id, 0);
  EXPECT_EQ(choose_codec(timings, 49e6).codec->id, 2);  // 50 bytes less against 1 µs more
  EXPECT_EQ(choose_codec(timings, 51e6).codec->id, 1);
  EXPECT_EQ(choose_codec(timings, 749e6).codec->id, 1);
  EXPECT_EQ(choose_codec(timings, 751e6).codec->id, 0);
}

TEST(CodecChoice, TimesEveryCodecOnTheMatrixItself) {
  std::mt19937 random(1);
  TernaryMatrix matrix{64, 512, std::vector<std::int8_t>(64 * 512), {ScaleGrain::Tensor, {1.0f}, 0}};
  for (auto& trit : matrix.trits) trit = static_cast<std::int8_t>(random() % 50 == 0);
  const auto timings = time_codecs(matrix, 3);
  ASSERT_EQ(timings.size(), codec_table().size());
  for (const CodecTiming& timing : timings) {
    EXPECT_EQ(timing.bytes, encode_stream(matrix, *timing.codec).size());
    EXPECT_GT(timing.fastest, 0);
    EXPECT_LE(timing.fastest, timing.seconds);
    EXPECT_LE(timing.seconds, timing.slowest);
  }
  // One weight in fifty: runs beat a bit for every weight.
  EXPECT_TRUE(choose_codec(timings, 0).codec->name == "runs" ||
              choose_codec(timings, 0).codec->name == "hybrid");
}

}  // namespace
}  // namespace sterna
