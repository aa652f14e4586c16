// The rows of the codec table, and what they share.
#pragma once

#include <string>

#include "packing/codec.hpp"

namespace sterna::codec {

Codec int8() noexcept;
Codec two_bit() noexcept;
Codec base3() noexcept;
Codec aligned() noexcept;
Codec runs() noexcept;
Codec sparse() noexcept;
Codec hybrid() noexcept;

/// The first n bytes. Throws Format when there are fewer.
Bytes take(Bytes bytes, std::uint64_t n);
/// Throws Format: the bytes hold no trit at this place.
[[noreturn]] void bad_trit(std::size_t trit, std::string_view found);

inline std::uint8_t u8(std::byte byte) noexcept {
  return static_cast<std::uint8_t>(byte);
}

}  // namespace sterna::codec
