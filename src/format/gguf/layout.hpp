// What reader and writer agree on.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "format/gguf/gguf.hpp"
#include "sterna/error.hpp"

namespace sterna::gguf {

inline constexpr std::string_view kMagic = "GGUF";
inline constexpr std::uint32_t kArrayType = 9;  // the value type number of an array
inline constexpr std::uint32_t kMaxDimensions = 4;

/// Of every tensor's data, relative to the file's start.
inline std::uint64_t alignment_of(const Metadata& metadata) {
  constexpr std::string_view key = "general.alignment";
  const std::uint64_t alignment = metadata.unsigned_of(key).value_or(32);
  // The specification asks for a multiple of 8, llama.cpp for a power of two.
  if (!std::has_single_bit(alignment) || alignment < 8 || alignment > (std::uint64_t{1} << 31))
    throw Error(ErrorCategory::Format, "the alignment is unusable",
                {{"key", std::string(key)},
                 {"found", std::to_string(alignment)},
                 {"expected", "a power of two from 8 to 2^31"}});
  return alignment;
}

}  // namespace sterna::gguf
