#pragma once

#include "model/checkpoint.hpp"

namespace sterna::hf {

/// A folder with config.json and safetensors; see open_checkpoint.
Checkpoint open(const std::filesystem::path& folder, const CheckpointOptions& options);

}  // namespace sterna::hf
