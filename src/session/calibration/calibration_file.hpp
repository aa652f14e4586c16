// Unfinished calibrations on disk; finished ones are in sterna/calibration.hpp.
#pragma once

#include <filesystem>
#include <string>

#include "sterna/calibration.hpp"
#include "sterna/model.hpp"

namespace sterna {

/// One safetensors file, as a whole: tensors as a finished one has them, of sums instead of means, and a
/// tensor "about" with the JSON. `work` says what the sums are of: text and options.
void write_unfinished(const std::filesystem::path& file, const Calibration& sums, const std::string& work);
/// Throws Io, Format for damage, Mismatch for another model or other work.
Calibration read_unfinished(const std::filesystem::path& file, const Model& model, const std::string& work);

}  // namespace sterna
