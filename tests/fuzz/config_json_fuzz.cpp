// Any bytes as config.json: an Error, or a configuration whose sizes can be multiplied.
#include <cstdint>
#include <string_view>
#include <vector>

#include "model/hf_config.hpp"
#include "model/rope.hpp"
#include "sterna/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto config = sterna::hf::read_config(sterna::parse_json(text, "fuzz.json"), "fuzz.json");
    // What a loader does next: the angles of the last position.
    const sterna::RopeAngles rope(config.model.rope);
    std::vector<float> angles(2 * rope.size());
    rope.at(config.model.context - 1, angles.data(), angles.data() + rope.size());
  } catch (const sterna::Error&) {
  }
  return 0;
}
