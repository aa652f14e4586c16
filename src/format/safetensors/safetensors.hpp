// safetensors: an 8-byte length, a JSON header, then the tensors' bytes; and checkpoints split over several
// such files by `model.safetensors.index.json`. Layout: docs/formats.md.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "format/container.hpp"

namespace sterna::safetensors {

/// One file, its tensors in the order of their bytes. Throws Io, Format or Unsupported with file, tensor,
/// found, expected: overlapping or out-of-range offsets, holes, a size that is not shape × dtype, duplicate
/// names, an unknown dtype. `__metadata__` is checked and dropped.
Container read(const std::filesystem::path& file, MapOptions options = {});

/// The same for a file that is in memory already. The container views `bytes`, which must outlive it; `name`
/// stands for the file in errors.
Container parse(Bytes bytes, const std::string& name);

/// A checkpoint folder: `model.safetensors`, or the shards of `model.safetensors.index.json`: each tensor in
/// the shard the index names, none missing, none in two, no shard outside the folder. Tensors of a shard that
/// the index does not list are read with the others, as transformers does.
Container read_folder(const std::filesystem::path& folder, MapOptions options = {});

/// Tensor → shard, as in an index's `weight_map`. Shards are plain file names.
std::map<std::string, std::string> parse_index(Bytes json, const std::string& name);

struct OutTensor {
  std::string name;
  DType dtype;
  std::vector<std::uint64_t> shape;
  Bytes bytes;
};

/// Writes one file, atomically. Wider elements come first, so that every tensor is aligned to its elements;
/// otherwise the order is the caller's. Throws InvalidArgument for a dtype that the format does not have, a
/// size that is not shape × dtype, a name that is used twice.
void write(const std::filesystem::path& path, const std::vector<OutTensor>& tensors);

}  // namespace sterna::safetensors
