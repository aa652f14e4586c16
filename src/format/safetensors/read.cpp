// Files and checkpoint folders on disk.
#include <set>

#include "format/safetensors/safetensors.hpp"
#include "sterna/error.hpp"

namespace sterna::safetensors {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

Container read_shards(const fs::path& folder, MapOptions options) {
  const fs::path index_path = folder / kIndex;
  const auto index = parse_index(MappedFile::open(index_path)->bytes(), index_path.string());
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : index) shards.insert(shard);

  Container container;
  for (const std::string& shard : shards) {
    const Container part = read(folder / shard, options);
    for (const StoredTensor& tensor : part.tensors()) {
      if (!container.add(tensor))
        throw Error(ErrorCategory::Format, "a tensor lies in two shards",
                    {{"file", tensor.file},
                     {"tensor", tensor.name},
                     {"found", "also in " + container.find(tensor.name)->file}});
    }
    for (const auto& file : part.files()) container.keep(file);
  }
  for (const auto& [name, shard] : index) {
    const StoredTensor* tensor = container.find(name);
    const std::string expected = (folder / shard).string();
    if (!tensor || tensor->file != expected)
      throw Error(ErrorCategory::Format, "a tensor is not in the shard that the index names",
                  {{"file", index_path.string()},
                   {"tensor", name},
                   {"found", tensor ? tensor->file : "in no shard"},
                   {"expected", expected}});
  }
  return container;
}

}  // namespace

Container read(const fs::path& file, MapOptions options) {
  const auto mapped = MappedFile::open(file, options);
  Container container = parse(mapped->bytes(), file.string());
  container.keep(mapped);
  return container;
}

Container read_folder(const fs::path& folder, MapOptions options) {
  std::error_code ignored;
  if (fs::exists(folder / kSingle, ignored)) return read(folder / kSingle, options);
  if (fs::exists(folder / kIndex, ignored)) return read_shards(folder, options);
  throw Error(ErrorCategory::Io, "the folder holds no safetensors checkpoint",
              {{"file", folder.string()}, {"expected", std::string(kSingle) + " or " + kIndex}});
}

}  // namespace sterna::safetensors
