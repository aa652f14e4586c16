// Any bytes as a safetensors file, or as an index when they begin like JSON: an Error, or tensors that can be
// read.
#include <cstdint>

#include "format/safetensors/safetensors.hpp"
#include "sterna/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    if (size > 1 && data[0] == '{' && data[1] != 0) {  // as a length, that would be over 8 KB of header
      sterna::safetensors::parse_index(bytes, "fuzz.json");
    } else {
      const sterna::Container container = sterna::safetensors::parse(bytes, "fuzz.safetensors");
      [[maybe_unused]] volatile std::byte touched{};
      for (const auto& tensor : container.tensors()) {
        for (const std::byte byte : tensor.bytes) touched = byte;
      }
    }
  } catch (const sterna::Error&) {
  }
  return 0;
}
