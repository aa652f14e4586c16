// Where memory lies and work runs.
#pragma once

#include <cstdint>

namespace sterna {

/// Today's only kind is the host; another arrives with its backend.
enum class DeviceKind : std::uint8_t { Cpu };
struct Device {
  DeviceKind kind = DeviceKind::Cpu;
  int index = 0;
  bool operator==(const Device&) const = default;
};

}  // namespace sterna
