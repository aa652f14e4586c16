#include "tensor/conversion/counters.hpp"

namespace sterna {
namespace {

ConversionTally& process_tally() noexcept {
  static ConversionTally tally;
  return tally;
}

}  // namespace

void ConversionTally::add(ConversionStrategy strategy, std::uint64_t bytes) noexcept {
  constexpr auto kOrder = std::memory_order_relaxed;  // numbers to be read some time, which order nothing
  const bool shared = strategy == ConversionStrategy::ZeroCopy;
  auto& count = shared                                      ? zero_copy_
                : strategy == ConversionStrategy::InPlace   ? in_place_
                : strategy == ConversionStrategy::Streaming ? streaming_
                                                            : standard_;
  count.fetch_add(1, kOrder);
  (shared ? shared_ : moved_).fetch_add(bytes, kOrder);
}

ConversionCounters ConversionTally::read() const noexcept {
  return {zero_copy_, in_place_, streaming_, standard_, moved_, shared_};
}

void count_conversion(ConversionStrategy strategy, std::uint64_t bytes) noexcept {
  process_tally().add(strategy, bytes);
}

ConversionCounters conversion_counters() noexcept {
  return process_tally().read();
}

}  // namespace sterna
