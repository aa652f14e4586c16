#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace sterna::cli {

/// The header of a NumPy .npy file, version 1.0: little-endian float32, C order, of the shape given. The
/// data that follows starts at a multiple of 64 bytes. (NEP 1 and numpy.lib.format.)
std::string npy_header(std::span<const std::uint64_t> shape);

}  // namespace sterna::cli
