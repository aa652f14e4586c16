#pragma once

#include <filesystem>

namespace sterna::cli {

/// The model that is read when none is named: $STERNA_MODEL, else tales.gguf of the installation or of the
/// source tree that the program was built in. Throws InvalidArgument when there is none.
std::filesystem::path bundled_model();

}  // namespace sterna::cli
