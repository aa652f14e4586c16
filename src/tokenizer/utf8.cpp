#include "tokenizer/utf8.hpp"

#include "base/bytes.hpp"

namespace sterna {

std::size_t utf8_prefix(std::string_view bytes) noexcept {
  std::size_t at = 0;
  while (at < bytes.size()) {
    // Most text is ASCII: eight bytes at a time.
    while (bytes.size() - at >= 8 &&
           (load_unaligned<std::uint64_t>(bytes.data() + at) & 0x8080808080808080u) == 0) {
      at += 8;
    }
    if (at == bytes.size()) break;
    const Utf8Step step = utf8_step(bytes.substr(at));
    if (step.status != Utf8Status::Whole) break;
    at += step.length;
  }
  return at;
}

}  // namespace sterna
