#include "packing/codec_choice.hpp"

#include <algorithm>
#include <tuple>

#include "base/clock.hpp"
#include "packing/codec_stream.hpp"
#include "sterna/error.hpp"

namespace sterna {

std::vector<CodecTiming> time_codecs(const TernaryMatrix& matrix, int repetitions) {
  const auto table = codec_table();
  std::vector<std::vector<std::byte>> streams;
  for (const Codec& codec : table) streams.push_back(encode_stream(matrix, codec));

  std::vector<std::vector<double>> seconds(table.size());
  std::vector<std::int8_t> trits(matrix.trits.size());
  for (int round = 0; round < std::max(repetitions, 1); ++round) {
    for (std::size_t i = 0; i < table.size(); ++i) {
      std::ranges::fill(trits, std::int8_t{2});  // touched, and nothing that decoding could leave
      const Stopwatch clock;
      const CodecStream stream(streams[i]);
      stream.decode_rows(0, stream.rows(), trits);
      seconds[i].push_back(clock.seconds());
      if (trits != matrix.trits) {
        throw Error(ErrorCategory::Internal, "a codec changes the matrix",
                    {{"codec", std::string(table[i].name)}});
      }
    }
  }

  std::vector<CodecTiming> timings;
  for (std::size_t i = 0; i < table.size(); ++i) {
    std::ranges::sort(seconds[i]);
    timings.push_back({&table[i], streams[i].size(), seconds[i][seconds[i].size() / 2], seconds[i].front(),
                       seconds[i].back()});
  }
  return timings;
}

const CodecTiming& choose_codec(std::span<const CodecTiming> timings, double arrival) {
  // Both terms times `arrival`, where that is a number: no division by zero.
  const auto cost = [&](const CodecTiming& t) {
    const auto bytes = static_cast<double>(t.bytes);
    const double time = arrival > 1e300 ? t.seconds : bytes + t.seconds * arrival;
    return std::tuple(time, t.bytes, t.codec->id);
  };
  return *std::ranges::min_element(timings, {}, cost);
}

}  // namespace sterna
