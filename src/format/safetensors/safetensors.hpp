// safetensors: an 8-byte length, a JSON header, then the tensors' bytes; and checkpoints split over several
// such files by `model.safetensors.index.json`. Layout: docs/formats.md.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "format/container.hpp"

namespace sterna::safetensors {

/// One file. Throws Io, Format or Unsupported with file, tensor, found, expected: overlapping or out-of-range
/// offsets, holes, a size that is not shape × dtype, duplicate names, an unknown dtype.
Container read(const std::filesystem::path& file, MapOptions options = {});

/// A checkpoint folder: `model.safetensors`, or the shards of `model.safetensors.index.json` (each tensor in
/// the shard the index names, none missing, none outside the folder).
Container read_folder(const std::filesystem::path& folder, MapOptions options = {});

struct OutTensor {
  std::string name;
  DType dtype;
  std::vector<std::uint64_t> shape;
  Bytes bytes;
};

/// Writes one file, atomically.
void write(const std::filesystem::path& path, const std::vector<OutTensor>& tensors);

}  // namespace sterna::safetensors
