// Any bytes as a .npz file when they begin like a zip archive, else as a .npy: an Error, or tensors that can
// be read.
#include <cstdint>

#include "sterna/error.hpp"
#include "sterna/npy.hpp"

namespace {

void touch(const sterna::Tensor& tensor) {
  [[maybe_unused]] volatile std::byte touched{};
  for (std::size_t i = 0; i < tensor.bytes(); ++i) touched = tensor.raw()[i];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    if (size > 1 && data[0] == 'P' && data[1] == 'K') {
      const auto tensors = sterna::parse_npz(bytes, "fuzz.npz", {.max_inflated = 1 << 24});
      for (const auto& each : tensors) touch(each.tensor);
    } else {
      touch(sterna::parse_npy(bytes, "fuzz.npy"));
    }
  } catch (const sterna::Error&) {
  }
  return 0;
}
