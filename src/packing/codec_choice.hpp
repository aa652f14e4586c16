// Which codec a matrix gets, by its measured size and speed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "packing/codec.hpp"
#include "packing/registry.hpp"

namespace sterna {

struct CodecTiming {
  const Codec* codec;
  std::uint64_t bytes;  ///< of the stream
  double seconds;       ///< to decode it on one thread, checksums included: the median
  double fastest, slowest;
};

/// Every codec's stream of this matrix, decoded `repetitions` times; codecs take turns, so that a slow spell
/// of the machine hits all of them. Throws InvalidArgument as encode_stream, and Internal when what is
/// decoded is not the matrix.
std::vector<CodecTiming> time_codecs(const TernaryMatrix& matrix, int repetitions = 5);

/// The codec whose matrix is there soonest when bytes arrive at `arrival` bytes/s and are decoded then: the
/// least bytes / arrival + seconds. 0 stands for a source so slow that only bytes count; infinity for one
/// where only decoding does. On a tie the fewer bytes, then the lower id. `timings` must not be empty.
const CodecTiming& choose_codec(std::span<const CodecTiming> timings, double arrival);

}  // namespace sterna
