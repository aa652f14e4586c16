// Counts conversions, and the bytes that they moved or did not have to.
#pragma once

#include <atomic>
#include <cstdint>

#include "sterna/conversion.hpp"

namespace sterna {

/// ConversionCounters that any thread may add to.
class ConversionTally {
 public:
  /// A conversion that followed `strategy` (not Auto), and gave a result of so many bytes.
  void add(ConversionStrategy strategy, std::uint64_t bytes) noexcept;
  ConversionCounters read() const noexcept;

 private:
  std::atomic<std::uint64_t> zero_copy_{0}, in_place_{0}, streaming_{0}, standard_{0};
  std::atomic<std::uint64_t> moved_{0}, shared_{0};
};

/// Adds to the process's.
void count_conversion(ConversionStrategy strategy, std::uint64_t bytes) noexcept;

}  // namespace sterna
