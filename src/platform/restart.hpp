// Settings that libraries read before main begins: for programs, not for the library.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sterna {

/// Variables of the environment and their values.
using Settings = std::vector<std::pair<std::string, std::string>>;

/// Starts the program anew, in its process and with its arguments, with those of the variables set that are
/// not set yet: to be called before anything else is done. Returns when all were, or it cannot be started.
void restart_with(const Settings& settings);

}  // namespace sterna
