// What the operating system said, as a sterna::Error.
#pragma once

#include <filesystem>
#include <string_view>
#include <system_error>

#include "sterna/error.hpp"

namespace sterna {

/// An Io error that names the file and gives the system's reason for `code` (an errno value).
inline Error io_error(std::string_view message, const std::filesystem::path& file, int code) {
  return Error(ErrorCategory::Io, message,
               {{"file", file.string()}, {"reason", std::generic_category().message(code)}});
}

}  // namespace sterna
