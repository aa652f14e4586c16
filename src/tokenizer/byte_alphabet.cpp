#include "tokenizer/byte_alphabet.hpp"

#include <array>
#include <cstdint>

namespace sterna {
namespace {

constexpr bool prints_as_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr unsigned kFirstStandIn = 0x100;
constexpr unsigned kEnd = kFirstStandIn + 68;

constexpr auto kCharacterOfByte = [] {
  std::array<std::uint16_t, 256> table{};
  unsigned stand_in = kFirstStandIn;
  for (unsigned byte = 0; byte < 256; ++byte) {
    table[byte] = static_cast<std::uint16_t>(prints_as_itself(byte) ? byte : stand_in++);
  }
  return table;
}();

constexpr auto kByteOfCharacter = [] {
  std::array<std::int16_t, kEnd> table{};
  table.fill(-1);
  for (unsigned byte = 0; byte < 256; ++byte) table[kCharacterOfByte[byte]] = static_cast<std::int16_t>(byte);
  return table;
}();

}  // namespace

void append_in_byte_alphabet(std::string& text, std::string_view bytes) {
  for (const char c : bytes) {
    const unsigned character = kCharacterOfByte[static_cast<unsigned char>(c)];
    if (character < 0x80) {
      text += static_cast<char>(character);
    } else {  // all of the alphabet lies below U+0800: two bytes of UTF-8
      text += static_cast<char>(0xc0 | character >> 6);
      text += static_cast<char>(0x80 | (character & 0x3f));
    }
  }
}

bool append_from_byte_alphabet(std::string& bytes, std::string_view text) {
  const std::size_t before = bytes.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned character = static_cast<unsigned char>(text[i]);
    if (character >= 0x80) {
      const unsigned next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
      const bool two_bytes = character >= 0xc2 && character <= 0xdf && (next & 0xc0) == 0x80;
      character = two_bytes ? (character & 0x1f) << 6 | (next & 0x3f) : kEnd;
      ++i;
    }
    if (character >= kEnd || kByteOfCharacter[character] < 0) {
      bytes.resize(before);
      return false;
    }
    bytes += static_cast<char>(kByteOfCharacter[character]);
  }
  return true;
}

}  // namespace sterna
