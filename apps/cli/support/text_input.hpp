#pragma once

#include <string>

namespace sterna::cli {

/// The whole of a file, or of standard input for "-". Throws Io (file, reason).
std::string read_text(const std::string& path);

}  // namespace sterna::cli
