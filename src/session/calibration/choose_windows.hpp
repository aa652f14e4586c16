// Which windows of a text are evaluated.
#pragma once

#include <cstddef>
#include <vector>

#include "session/pieces.hpp"
#include "sterna/calibration.hpp"

namespace sterna {

/// Ascending, each once: as many as options.max_tokens asks for, chosen by options.windows and options.seed.
std::vector<std::size_t> choose_windows(const TextWindows& text, const CalibrationOptions& options);

}  // namespace sterna
