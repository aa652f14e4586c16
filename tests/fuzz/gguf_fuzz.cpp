// Any bytes as a GGUF file: an Error, or metadata and tensors that can be read.
#include <cstdint>

#include "format/gguf/gguf.hpp"
#include "sterna/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const sterna::gguf::File file = sterna::gguf::parse(std::as_bytes(std::span(data, size)), "fuzz.gguf");
    [[maybe_unused]] volatile std::byte touched{};
    for (const auto& tensor : file.container.tensors()) {
      for (const std::byte byte : tensor.bytes) touched = byte;
    }
    for (const auto& [key, value] : file.metadata.entries()) sterna::gguf::type_name(value);
    sterna::gguf::detect_i2s_group(file);
  } catch (const sterna::Error&) {
  }
  return 0;
}
