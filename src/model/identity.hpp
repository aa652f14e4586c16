// Telling one model from another.
#pragma once

#include <string>

#include "sterna/model.hpp"

namespace sterna {

/// 16 hexadecimal digits that differ when the configuration does, a tensor's name, type or shape, or the
/// bytes at sixteen places of it; the same for every way of loading the same files.
std::string model_identity(const Model& model);

}  // namespace sterna
