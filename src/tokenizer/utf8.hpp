// UTF-8 as the Unicode standard defines it (3.9, table 3-7): no surrogates, nothing above U+10FFFF, no
// overlong forms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sterna {

enum class Utf8Status : std::uint8_t {
  Whole,       ///< a character
  Unfinished,  ///< the beginning of a character, up to the end of the bytes
  Invalid,     ///< bytes that no character begins with
};

struct Utf8Step {
  Utf8Status status;
  std::size_t length;  ///< bytes of the character, of its beginning, or of the invalid run
};

/// What non-empty bytes begin with. An invalid run is the "maximal subpart" that one U+FFFD replaces.
constexpr Utf8Step utf8_step(std::string_view bytes) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {Utf8Status::Whole, 1};
  if (lead < 0xc2 || lead > 0xf4) return {Utf8Status::Invalid, 1};
  const std::size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  for (std::size_t i = 1; i < length; ++i) {
    if (i == bytes.size()) return {Utf8Status::Unfinished, i};
    unsigned low = 0x80, high = 0xbf;
    if (i == 1) {  // the second byte rules out overlong forms, surrogates and what lies above U+10FFFF
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    }
    if (byte(i) < low || byte(i) > high) return {Utf8Status::Invalid, i};
  }
  return {Utf8Status::Whole, length};
}

/// Length of the longest prefix that is whole characters.
std::size_t utf8_prefix(std::string_view bytes) noexcept;

inline bool is_utf8(std::string_view bytes) noexcept {
  return utf8_prefix(bytes) == bytes.size();
}

}  // namespace sterna
