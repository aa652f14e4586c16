// GPT-2's byte alphabet: byte-level BPE writes each byte of a text as one printable character, so that
// vocabularies are plain text. Bytes that print as themselves in Latin-1 (! to ~, ¡ to ¬, ® to ÿ) are that
// character; the other 68, in order, are U+0100 onwards ("Ġ" is the space).
#pragma once

#include <string>
#include <string_view>

namespace sterna {

/// Appends the bytes in the alphabet.
void append_in_byte_alphabet(std::string& text, std::string_view bytes);

/// Appends the bytes that the text stands for; false (and nothing appended) when a character is not of the
/// alphabet.
bool append_from_byte_alphabet(std::string& bytes, std::string_view text);

}  // namespace sterna
