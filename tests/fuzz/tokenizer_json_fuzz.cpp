// Any bytes as a tokenizer.json, or as a tokenizer.model when they do not begin like JSON: an Error, or a
// tokenizer that encodes and decodes.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sterna/error.hpp"
#include "tokenizer/spec.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  constexpr std::string_view kText =
      "Hello, the old king's 3 wolves\n\n  \u00e9\u4e16 \xff<|end|></s> ab abc";
  try {
    const bool json = size > 0 && data[0] == '{';
    const sterna::Tokenizer tokenizer(json ? sterna::read_tokenizer_json(bytes, "fuzz.json")
                                           : sterna::read_sentencepiece_model(bytes, "fuzz.model"));
    for (const bool parse_special : {false, true}) {
      const auto ids = tokenizer.encode(kText, parse_special);
      const auto text = tokenizer.decode(ids, true);
      for (const auto id : ids) {
        if (id < 0 || static_cast<std::size_t>(id) >= tokenizer.vocab_size()) std::abort();
      }
    }
  } catch (const sterna::Error&) {
  }
  return 0;
}
