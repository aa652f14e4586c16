#pragma once

#include <string>

#include "sterna/model.hpp"

namespace sterna {

/// Throws Format (file, key, found, expected) unless every size is positive and small enough to multiply
/// safely, the heads divide evenly, head_dim is even, and the floats are finite and in range.
void validate_config(const ModelConfig& config, const std::string& file);

}  // namespace sterna
