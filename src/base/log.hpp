#pragma once

#include <string_view>

#include "sterna/log.hpp"

namespace sterna {

/// Hands a message to the process's sink, or drops it.
void log(LogLevel level, std::string_view message);

inline void log_warning(std::string_view message) {
  log(LogLevel::Warning, message);
}
inline void log_info(std::string_view message) {
  log(LogLevel::Info, message);
}

}  // namespace sterna
